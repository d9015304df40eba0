"""Rename tables, columns and stored words to those of the glossary. Renames only: no row is copied.

Django renames the content types by itself. The permissions are renamed here, so that groups and operators keep them.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

MODELS = [
    ("budget", "ratelimit", "rate limit"),
    ("lanesignal", "lanewakeup", "lane wakeup"),
    ("doubt", "suspectoutcome", "suspect outcome"),
]
_PERMISSIONS = """
UPDATE auth_permission permission
SET codename = action || '_' || '{new}', name = 'Can ' || action || ' {title}'
FROM unnest(ARRAY['add', 'change', 'delete', 'view']) AS action, django_content_type content_type
WHERE permission.content_type_id = content_type.id AND content_type.app_label = 'notifications'
  AND permission.codename = action || '_' || '{old}'
"""


def permissions_rename(old, new, title):
    """Permissions are found by app and code name: Django has renamed the content type by then, or does so later."""
    return migrations.RunSQL(
        _PERMISSIONS.format(old=old, new=new, title=title), _PERMISSIONS.format(old=new, new=old, title=old)
    )


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("devices", "0004_vapid_contact"),
        ("notifications", "0010_uuid7_in_order"),
        ("tenants", "0003_delivery_cap"),
    ]

    operations = [
        migrations.RenameModel("Budget", "RateLimit"),
        migrations.RenameModel("LaneSignal", "LaneWakeup"),
        migrations.RenameModel("Doubt", "SuspectOutcome"),
        *(permissions_rename(*names) for names in MODELS),
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
