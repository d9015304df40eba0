from django.db import migrations, models


class Migration(migrations.Migration):
    """A lane of held deliveries beside the ordinary one: its push origin is part of what makes a lane."""

    dependencies = [
        ('notifications', '0007_holds'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='lane',
            constraint=models.UniqueConstraint(fields=('tenant', 'app', 'delivery_class', 'push_origin'), name='lane_key_origin'),
        ),
        migrations.RemoveConstraint(
            model_name='lane',
            name='lane_key',
        ),
    ]
