import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# Adds {key: number} objects up; keys whose sum is 0 are dropped.
COUNTS_ADD = """
CREATE FUNCTION pushhub_counts_add(a jsonb, b jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $fn$
  SELECT coalesce(jsonb_object_agg(key, total), '{}') FROM (
    SELECT key, sum(value::bigint) AS total
    FROM (SELECT * FROM jsonb_each_text(a) UNION ALL SELECT * FROM jsonb_each_text(b)) AS both_sides
    GROUP BY key HAVING sum(value::bigint) <> 0
  ) AS sums
$fn$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0003_look_ups"),
        ("tenants", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(COUNTS_ADD, "DROP FUNCTION pushhub_counts_add(jsonb, jsonb)"),
        migrations.CreateModel(
            name="ExpansionTurn",
            fields=[
                ("tenant", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="+", serialize=False, to="tenants.tenant")),
                ("served_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(condition=models.Q(("cancelled_at__isnull", False), ("completed_at", None)), fields=["cancelled_at"], name="notification_cancelled"),
        ),
    ]
