"""What people decide: reviewers, appeals, redrives, deletion. With the same state changes, events and pushes as the
policy's decisions."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from avatars.models import Avatar, Decision
from avatars.moderation.policy import ModerationAction
from avatars.selectors import avatar_policy_get, avatar_revision
from avatars.services.objects import object_keep
from avatars.services.transitions import avatar_lock, avatar_move, avatar_reject, avatar_remove, avatar_review
from avatars.states import AvatarState, Reason, WorkflowStep
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant

S = AvatarState
_OVERTAKEN = "Not decided: the avatar has changed since the page was opened."


def avatar_decide(
    *, tenant: Tenant, avatar_id: UUID, action: ModerationAction, reason: str, reviewer: str, seen: str | None = None
) -> Avatar:
    """A person's decision on an avatar that is in review, rejected (decide again) or approved (take it down, or back to
    review).

    An approval is published by the workflow, like the policy's. `seen`: the `avatar_revision` that the reviewer saw.
    Raises ApiError NOT_FOUND, and CONFLICT when the revision has changed, in another state, when the decision is made
    already, or when the picture is no longer kept.
    """
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=avatar_id)
        if avatar.state not in {S.IN_REVIEW, S.REJECTED, S.APPROVED} or _decided(avatar, action):
            detail = f"An avatar with the state {avatar.state} does not take the decision {action}."
            raise ApiError(ErrorCode.CONFLICT, detail=detail)
        if seen is not None and seen != avatar_revision(avatar=avatar):
            raise ApiError(ErrorCode.CONFLICT, detail=f"{_OVERTAKEN} Its state is {avatar.state} now.")
        Decision.objects.create(
            tenant=tenant, avatar=avatar, action=action, reviewer=reviewer[:150], reason=reason[:300]
        )
        match action:
            case ModerationAction.APPROVE:
                _master_required(avatar)
                avatar_move(avatar=avatar, state=S.MODERATING, step=WorkflowStep.THUMBNAILS)
            case ModerationAction.REJECT:
                avatar_reject(avatar=avatar, reason=Reason.REVIEWER, detail=reason)
            case ModerationAction.REVIEW:
                _master_required(avatar)
                avatar_review(avatar=avatar, reason=Reason.REVIEW_NEEDED)
    return avatar


def avatar_appeal(*, tenant: Tenant, avatar_id: UUID, user_id: str | None = None) -> Avatar:
    """Have a person review a rejected avatar again, once, while its picture is kept. Raises ApiError NOT_FOUND,
    CONFLICT."""
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=avatar_id)
        if user_id is not None and avatar.user.user_id != user_id:
            raise ApiError(ErrorCode.NOT_FOUND)
        if avatar.state != S.REJECTED or avatar.appealed_at is not None:
            raise ApiError(ErrorCode.CONFLICT, detail="Only a rejected avatar can be appealed, and only once.")
        if not object_keep(avatar=avatar, key=avatar.master_key):
            raise ApiError(ErrorCode.CONFLICT, detail=_not_kept(tenant))
        avatar.appealed_at = timezone.now()
        avatar_review(avatar=avatar, reason=Reason.APPEALED)
    return avatar


def avatar_redrive(*, tenant: Tenant, avatar_id: UUID) -> Avatar:
    """Try a failed avatar again, from the step that failed. Raises ApiError NOT_FOUND, CONFLICT."""
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=avatar_id)
        if avatar.state != S.FAILED:
            raise ApiError(ErrorCode.CONFLICT, detail="Only a failed avatar can be redriven.")
        # A failure deletes the thumbnails: they are made again.
        step = WorkflowStep.THUMBNAILS if avatar.step == WorkflowStep.PUBLISH else WorkflowStep(avatar.step)
        kept = avatar.upload_key if step == WorkflowStep.NORMALISE else avatar.master_key
        if not object_keep(avatar=avatar, key=kept):
            raise ApiError(ErrorCode.CONFLICT, detail="The picture is no longer kept. Upload it again.")
        avatar_move(avatar=avatar, state=S.UPLOADED if step == WorkflowStep.NORMALISE else S.MODERATING, step=step)
    return avatar


def avatar_delete(*, tenant: Tenant, avatar_id: UUID, user_id: str | None = None) -> None:
    """Every version of its objects is deleted in the background, repeatedly until the store has none. Raises ApiError
    NOT_FOUND."""
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=avatar_id)
        if user_id is not None and avatar.user.user_id != user_id:
            raise ApiError(ErrorCode.NOT_FOUND)
        avatar_remove(avatar=avatar)


def _decided(avatar: Avatar, action: ModerationAction) -> bool:
    return (avatar.state, action) in {
        (S.APPROVED, ModerationAction.APPROVE),
        (S.REJECTED, ModerationAction.REJECT),
        (S.IN_REVIEW, ModerationAction.REVIEW),
    }


def _master_required(avatar: Avatar) -> None:
    if not object_keep(avatar=avatar, key=avatar.master_key):
        raise ApiError(ErrorCode.CONFLICT, detail="The picture is no longer kept. Upload it again.")


def _not_kept(tenant: Tenant) -> str:
    """The error text of an appeal that comes too late, or that this tenant never allows."""
    days = avatar_policy_get(tenant=tenant).appeal_days
    if days:
        return f"Rejected pictures are kept for {days} days, and this one is older. Upload another picture."
    return "Rejected pictures are not kept here (the tenant's appeal_days is 0). Upload another picture."
