from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_delivery_cap")]

    operations = [
        migrations.RenameField("idempotencyrecord", "answer_sealed", "response_sealed"),
    ]
