"""Read avatars. An avatar that does not exist and one of another tenant answer the same."""

from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from avatars.models import Avatar, AvatarPolicy, Decision, Moderation, StoredObject, TimelineEntry
from avatars.states import AvatarState
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant

# Of stored objects: those that are in the store and not due for deletion.
KEPT = Q(attempts=0) & (Q(delete_due_at=None) | Q(delete_due_at__gt=Now()))
# Of avatars: whether the store has a master that a person can look at.
MASTER_KEPT = Exists(StoredObject.objects.filter(KEPT, tenant=OuterRef("tenant"), key=OuterRef("master_key")))


def avatar_get_for_tenant(*, tenant: Tenant, avatar_id: UUID, user_id: str | None = None) -> Avatar:
    """With `user_id`, only that user's avatar. Raises ApiError NOT_FOUND."""
    avatar = _avatars(tenant, user_id).filter(id=avatar_id).first()
    if avatar is None:
        raise ApiError(ErrorCode.NOT_FOUND)
    return avatar


def avatar_list(*, tenant: Tenant, user_id: str | None = None, state: str | None = None) -> QuerySet[Avatar]:
    avatars = _avatars(tenant, user_id)
    return avatars.filter(state=state) if state else avatars


def avatar_policy_get(*, tenant: Tenant) -> AvatarPolicy:
    """The tenant's row, or one with the defaults."""
    return AvatarPolicy.objects.filter(tenant=tenant).first() or AvatarPolicy(tenant=tenant)


def moderation_latest(*, avatar: Avatar) -> Moderation | None:
    return Moderation.objects.filter(avatar=avatar).order_by("-id").first()


def avatar_revision(*, avatar: Avatar) -> str:
    """The state and the last decision: what a reviewer's decision is based on. When the decision arrives, its revision
    is compared with the present one."""
    decision_id = Decision.objects.filter(avatar=avatar).order_by("-id").values_list("id", flat=True).first()
    return f"{avatar.state}-{decision_id or 0}"


def timeline(*, avatar: Avatar) -> QuerySet[TimelineEntry]:
    return TimelineEntry.objects.filter(avatar=avatar).order_by("id")


def _avatars(tenant: Tenant, user_id: str | None) -> QuerySet[Avatar]:
    avatars = Avatar.objects.filter(tenant=tenant).exclude(state=AvatarState.DELETED).select_related("user", "tenant")
    return avatars if user_id is None else avatars.filter(user__user_id=user_id)
