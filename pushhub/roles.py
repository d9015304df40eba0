"""The operators' roles, as Django groups made by `migrate`: an installation may add to them, `migrate` takes nothing
away."""

from typing import Any

from django.apps import AppConfig
from django.db.models import Q

ROOMS = frozenset({"tenants", "events", "devices", "notifications", "avatars"})

# What each role may do with the models of ROOMS. Support acts on what is delivered; keys and tenants are the admin's.
ROLES = {
    "viewer": Q(codename__startswith="view_"),
    "support": Q(codename__startswith="view_")
    | Q(codename__in=["change_device", "change_notification", "change_avatar"]),
    "admin": Q(),
}


def roles_grant(sender: AppConfig, using: str = "default", **_: Any) -> None:
    """Receiver of post_migrate: gives the roles their permissions on the models of `sender`."""
    from django.contrib.auth.models import Group, Permission

    if sender.label not in ROOMS:
        return
    for name, which in ROLES.items():
        group, _made = Group.objects.using(using).get_or_create(name=name)
        permissions = Permission.objects.using(using).filter(which, content_type__app_label=sender.label)
        group.permissions.add(*permissions)
