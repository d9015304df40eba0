"""The operators' roles: Django groups that `migrate` creates. An installation may give them more permissions; `migrate`
removes none."""

from typing import Any

from django.apps import AppConfig
from django.db.models import Q

APPS = frozenset({"tenants", "events", "devices", "notifications", "avatars"})

# The permissions of each role on the models of APPS. Support may change devices, notifications and avatars. Only the
# admin may change keys and tenants.
ROLES = {
    "viewer": Q(codename__startswith="view_"),
    "support": Q(codename__startswith="view_")
    | Q(codename__in=["change_device", "change_notification", "change_avatar"]),
    "admin": Q(),
}


def roles_grant(sender: AppConfig, using: str = "default", **_: Any) -> None:
    """A receiver of post_migrate. Gives the roles their permissions on the models of `sender`."""
    from django.contrib.auth.models import Group, Permission

    if sender.label not in APPS:
        return
    for name, condition in ROLES.items():
        group, _created = Group.objects.using(using).get_or_create(name=name)
        permissions = Permission.objects.using(using).filter(condition, content_type__app_label=sender.label)
        group.permissions.add(*permissions)
