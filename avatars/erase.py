"""Erase a person's pictures. The rows are deleted with the user; tombstones, which outlive both, delete the objects."""

from avatars.models import Avatar
from avatars.services.objects import objects_drop
from tenants.models import EndUser


def avatars_erase(user: EndUser) -> None:
    """A step of an erasure. The user's row is locked already, so no workflow publishes at the same time."""
    avatars = Avatar.objects.select_for_update().filter(tenant_id=user.tenant_id, user=user).order_by("id")
    objects_drop(avatars=list(avatars))
