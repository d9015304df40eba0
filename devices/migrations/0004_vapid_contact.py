from django.db import migrations, models

DEFAULT = "mailto:webmaster@example.com"  # of PUSHHUB_VAPID_SUB, which was copied into the keys of who named no contact


class Migration(migrations.Migration):

    dependencies = [
        ('devices', '0003_verify_attempts'),
    ]

    operations = [
        migrations.AlterField(
            model_name='vapidkey',
            name='sub',
            field=models.CharField(blank=True, help_text='A real mailto: or https: contact; push services refuse made-up ones. Empty: PUSHHUB_VAPID_SUB.', max_length=255),
        ),
        migrations.RunSQL(
            [("UPDATE devices_vapidkey SET sub = '' WHERE sub = %s", [DEFAULT])],
            [("UPDATE devices_vapidkey SET sub = %s WHERE sub = ''", [DEFAULT])],
        ),
    ]
