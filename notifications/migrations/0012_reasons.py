"""A delivery that expired in a hold has the reason `held`: its state already says that it expired."""

from django.db import migrations

# Index: delivery_failed of every partition, which holds nothing but deliveries that failed.
TRANSLATE = "UPDATE notifications_delivery SET reason = 'held' WHERE state = 'expired' AND reason = 'expired_held'"


class Migration(migrations.Migration):
    dependencies = [("notifications", "0011_names")]

    operations = [migrations.RunSQL(TRANSLATE, migrations.RunSQL.noop)]
