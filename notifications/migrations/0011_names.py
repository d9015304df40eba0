"""Rename tables, columns and stored words to those of the glossary. Renames only: no row is copied."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0004_vapid_contact"),
        ("notifications", "0010_uuid7_in_order"),
        ("tenants", "0003_delivery_cap"),
    ]

    operations = [
        migrations.RenameModel("Budget", "RateLimit"),
        migrations.RenameModel("LaneSignal", "LaneWakeup"),
        migrations.RenameModel("Doubt", "SuspectOutcome"),
        migrations.RenameField("Lane", "held_until", "rate_limited_until"),
        migrations.RenameIndex("SuspectOutcome", new_name="suspect_recent", old_name="doubt_recent"),
        migrations.RenameIndex("SuspectOutcome", new_name="suspect_hold", old_name="doubt_hold"),
        migrations.RemoveConstraint("Hold", "hold_kind"),
        migrations.RunSQL(
            "UPDATE notifications_hold SET kind = 'gone_spike' WHERE kind = 'storm'",
            "UPDATE notifications_hold SET kind = 'storm' WHERE kind = 'gone_spike'",
        ),
        migrations.AlterField(
            "Hold",
            "kind",
            models.CharField(max_length=11, choices=[("credentials", "Credentials"), ("gone_spike", "Gone Spike")]),
        ),
        migrations.AddConstraint(
            "Hold",
            models.CheckConstraint(condition=Q(kind__in=["credentials", "gone_spike"]), name="hold_kind"),
        ),
        migrations.AlterField(
            "Lane",
            "rate_limited_until",
            models.DateTimeField(null=True, help_text="When a used-up rate limit lets it claim again."),
        ),
        migrations.AlterField(
            "SuspectOutcome",
            "hold",
            models.ForeignKey(
                "notifications.Hold",
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="suspects",
            ),
        ),
    ]
