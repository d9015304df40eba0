"""The changes of state. Each runs in the transaction of its cause, with the avatar locked."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from avatars.models import Avatar, AvatarPolicy, TimelineEntry
from avatars.selectors import avatar_policy_get
from avatars.services.objects import QUEUE, objects_drop
from avatars.states import AvatarState, Reason, WorkflowStep, can_follow
from avatars.storage.base import MASTERS, PUBLIC, UPLOADS
from avatars.user_notice import user_notify
from events.services import event_record
from events.types import EventType
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.workers.wake import wake
from tenants.models import EndUser, Tenant
from tenants.services import end_user_picture_set

WORKFLOW_TASK = "avatars.tasks.workflow_run"
FAILED_KEPT = timedelta(days=7)  # for a redrive
S = AvatarState
SUPERSEDABLE = [S.UPLOADED, S.MODERATING, S.IN_REVIEW, S.APPROVED, S.FAILED]


def avatar_lock(*, tenant: Tenant, avatar_id: UUID) -> Avatar:
    """The avatar, locked after its user, so that uploads of one user wait for each other. Raises ApiError NOT_FOUND."""
    avatars = Avatar.objects.filter(tenant=tenant, id=avatar_id).exclude(state=S.DELETED)
    owner = EndUser.objects.filter(tenant=tenant, id__in=avatars.values("user_id"))
    user = owner.select_for_update(no_key=True).first()
    avatar = avatars.select_for_update(no_key=True).first()
    if user is None or avatar is None:
        raise ApiError(ErrorCode.NOT_FOUND)
    avatar.user, avatar.tenant = user, tenant
    return avatar


def avatar_move(
    *, avatar: Avatar, state: AvatarState, step: WorkflowStep = WorkflowStep.DONE, reason: str = "", detail: str = ""
) -> None:
    """Change to `state`, with `step` due at once. A lease that a worker has ends. Raises ApiError CONFLICT."""
    if state != avatar.state and not can_follow(avatar.state, state):
        raise ApiError(ErrorCode.CONFLICT, detail=f"An avatar that is {avatar.state} cannot become {state}.")
    avatar.state, avatar.reason, avatar.detail = state, str(reason), (detail or _sentence(reason))[:300]
    step_set(avatar=avatar, step=step)
    TimelineEntry.objects.create(
        tenant_id=avatar.tenant_id, avatar=avatar, what=state, outcome=str(reason), detail=avatar.detail
    )


def step_set(*, avatar: Avatar, step: WorkflowStep) -> None:
    avatar.step = step
    avatar.attempts = avatar.lost_leases = 0
    avatar.failing_since = avatar.lease = avatar.lease_expires_at = None
    # The next step keeps its place in the queue: an avatar that was started is finished before a later one is started.
    avatar.due_at = (avatar.due_at or Now()) if step else None
    avatar.save()
    if step:
        transaction.on_commit(partial(wake, WORKFLOW_TASK, QUEUE), robust=True)


def avatar_approve(*, avatar: Avatar, picture: dict[str, Any]) -> bool:
    """Publish, unless the user has a newer picture: compare and set under the user's lock. False if superseded."""
    current = avatar.user.picture
    if newer_than(avatar, current):
        avatar_supersede(avatars=[avatar])
        return False
    if not end_user_picture_set(tenant=avatar.tenant, user_id=avatar.user.user_id, picture=picture, replaces=current):
        raise ApiError(ErrorCode.CONFLICT, detail="The user's picture changed.")
    avatar_move(avatar=avatar, state=S.APPROVED)
    older = Avatar.objects.select_for_update(no_key=True).filter(
        tenant=avatar.tenant, user=avatar.user, id__lt=avatar.id, state__in=SUPERSEDABLE
    )
    avatar_supersede(avatars=list(older.order_by("id")))
    objects_drop(avatars=[avatar], prefixes=[UPLOADS])
    avatar_notify(avatar=avatar)
    return True


def newer_than(avatar: Avatar, picture: dict[str, Any] | None) -> bool:
    """Whether the user shows a picture whose upload started after this one."""
    return picture is not None and UUID(picture["avatar_id"]) > avatar.id


def avatar_supersede(*, avatars: list[Avatar]) -> None:
    objects_drop(avatars=avatars)
    for avatar in avatars:
        avatar_move(avatar=avatar, state=S.SUPERSEDED, reason=Reason.NEWER_AVATAR)
        event_record(tenant=avatar.tenant, type=EventType.AVATAR_SUPERSEDED, subject=str(avatar.id))


def avatar_reject(*, avatar: Avatar, reason: str, detail: str = "") -> None:
    """The picture is not shown, or not any more. The master is kept for the tenant's appeal period, if it has one."""
    days = avatar_policy_get(tenant=avatar.tenant).appeal_days
    _take_down(avatar)
    objects_drop(avatars=[avatar], prefixes=[UPLOADS, PUBLIC])
    objects_drop(avatars=[avatar], prefixes=[MASTERS], after=timedelta(days=days))
    avatar_move(avatar=avatar, state=S.REJECTED, reason=reason, detail=detail)
    avatar_notify(avatar=avatar)


def avatar_review(*, avatar: Avatar, reason: str) -> None:
    """A person decides. Until then the picture is not shown."""
    _take_down(avatar)
    objects_drop(avatars=[avatar], prefixes=[UPLOADS, PUBLIC])
    avatar_move(avatar=avatar, state=S.IN_REVIEW, reason=reason)
    avatar_notify(avatar=avatar)


def avatar_fail(*, avatar: Avatar, reason: str, detail: str = "") -> None:
    """The workflow stops. What a redrive needs is kept for a week."""
    objects_drop(avatars=[avatar], prefixes=[PUBLIC])
    objects_drop(avatars=[avatar], prefixes=[UPLOADS, MASTERS], after=FAILED_KEPT)
    avatar.variants = []
    step = avatar.step
    avatar_move(avatar=avatar, state=S.FAILED, reason=reason, detail=detail)
    avatar.step = step  # where a redrive starts
    avatar.save(update_fields=["step"])
    avatar_notify(avatar=avatar)


def avatar_notify(*, avatar: Avatar) -> None:
    """The event and the push, in the transaction of the result."""
    policy: AvatarPolicy = avatar_policy_get(tenant=avatar.tenant)
    data = {"user_id": avatar.user.user_id, "state": str(avatar.state), "reason": avatar.reason}
    event_record(tenant=avatar.tenant, type=EventType(f"avatar.{avatar.state}"), subject=str(avatar.id), data=data)
    user_notify(avatar=avatar, policy=policy)


def _take_down(avatar: Avatar) -> None:
    picture = avatar.user.picture
    if picture is not None and picture["avatar_id"] == str(avatar.id):
        end_user_picture_set(tenant=avatar.tenant, user_id=avatar.user.user_id, picture=None, replaces=picture)
        avatar.user.picture = None
    avatar.variants = []


def _sentence(reason: str) -> str:
    return Reason(reason).label if reason in Reason.values else ""


def avatar_remove(*, avatar: Avatar) -> None:
    """Delete the picture, the objects and the labels. The row is deleted when the store has none of its objects."""
    _take_down(avatar)
    objects_drop(avatars=[avatar])
    avatar.moderations.all().delete()
    avatar_move(avatar=avatar, state=S.DELETED)
    event_record(tenant=avatar.tenant, type=EventType.AVATAR_DELETED, subject=str(avatar.id))
