"""Forget a person's pictures: the rows go with the user, the objects by tombstones that outlive both."""

from avatars.models import Avatar
from avatars.services.objects import objects_drop
from tenants.models import EndUser


def avatars_erase(user: EndUser) -> None:
    """An erase step. The user's row is locked already, so no workflow publishes meanwhile."""
    avatars = Avatar.objects.select_for_update().filter(tenant_id=user.tenant_id, user=user).order_by("id")
    objects_drop(avatars=list(avatars))
