"""Read avatars. "Not there" and "not yours" are the same answer."""

from uuid import UUID

from django.db.models import QuerySet

from avatars.models import Avatar, AvatarPolicy, Moderation, TimelineEntry
from avatars.states import AvatarState
from pushhub.errors import ApiError, ErrorCode
from tenants.models import Tenant


def avatar_get(*, tenant: Tenant, avatar_id: UUID, user_id: str | None = None) -> Avatar:
    """The one door to an avatar; with `user_id`, to that user's alone. Raises ApiError NOT_FOUND."""
    avatar = _avatars(tenant, user_id).filter(id=avatar_id).first()
    if avatar is None:
        raise ApiError(ErrorCode.NOT_FOUND)
    return avatar


def avatar_list(*, tenant: Tenant, user_id: str | None = None, state: str | None = None) -> QuerySet[Avatar]:
    avatars = _avatars(tenant, user_id)
    return avatars.filter(state=state) if state else avatars


def avatar_policy_get(*, tenant: Tenant) -> AvatarPolicy:
    """The tenant's row, or the defaults."""
    return AvatarPolicy.objects.filter(tenant=tenant).first() or AvatarPolicy(tenant=tenant)


def moderation_latest(*, avatar: Avatar) -> Moderation | None:
    return Moderation.objects.filter(avatar=avatar).order_by("-id").first()


def timeline(*, avatar: Avatar) -> QuerySet[TimelineEntry]:
    return TimelineEntry.objects.filter(avatar=avatar).order_by("id")


def _avatars(tenant: Tenant, user_id: str | None) -> QuerySet[Avatar]:
    avatars = Avatar.objects.filter(tenant=tenant).exclude(state=AvatarState.DELETED).select_related("user", "tenant")
    return avatars if user_id is None else avatars.filter(user__user_id=user_id)
