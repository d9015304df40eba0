"""What people decide: reviewers, appeals, redrives, deletion. The same moves, events and pushes as the policy's."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from avatars.models import Avatar, Decision
from avatars.selectors import avatar_policy_get, avatar_standing
from avatars.services.objects import object_hold
from avatars.services.transitions import avatar_lock, avatar_move, avatar_reject, avatar_remove, avatar_review
from avatars.states import AvatarState, Reason, Step, Verdict
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant

S = AvatarState
_OVERTAKEN = "Not decided: somebody was faster since the page was opened. Look at it again if it should be otherwise."


def avatar_decide(
    *, tenant: Tenant, avatar_id: UUID, verdict: Verdict, reason: str, reviewer: str, seen: str | None = None
) -> Avatar:
    """A person's verdict on an avatar in review, rejected (second look) or approved (take-down, or back to review).

    Approval publishes through the workflow, as the policy's does. `seen` is the `avatar_standing` the reviewer looked
    at. Raises ApiError NOT_FOUND, CONFLICT when it stands otherwise by now, is in another state, decided so already, or
    its picture is no longer kept.
    """
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=avatar_id)
        if avatar.state not in {S.IN_REVIEW, S.REJECTED, S.APPROVED} or _decided(avatar, verdict):
            raise ApiError(ErrorCode.CONFLICT, detail=f"An avatar that is {avatar.state} is not to be decided so.")
        if seen is not None and seen != avatar_standing(avatar=avatar):
            raise ApiError(ErrorCode.CONFLICT, detail=f"{_OVERTAKEN} It is {avatar.state} now.")
        Decision.objects.create(
            tenant=tenant, avatar=avatar, verdict=verdict, reviewer=reviewer[:150], reason=reason[:300]
        )
        match verdict:
            case Verdict.APPROVE:
                _master_required(avatar)
                avatar_move(avatar=avatar, state=S.MODERATING, step=Step.THUMBNAILS)
            case Verdict.REJECT:
                avatar_reject(avatar=avatar, reason=Reason.REVIEWER, detail=reason)
            case Verdict.REVIEW:
                _master_required(avatar)
                avatar_review(avatar=avatar, reason=Reason.REVIEW_NEEDED)
    return avatar


def avatar_appeal(*, tenant: Tenant, avatar_id: UUID, user_id: str | None = None) -> Avatar:
    """A second look at a rejected avatar, once, while its picture is kept. Raises ApiError NOT_FOUND, CONFLICT."""
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=avatar_id)
        if user_id is not None and avatar.user.user_id != user_id:
            raise ApiError(ErrorCode.NOT_FOUND)
        if avatar.state != S.REJECTED or avatar.appealed_at is not None:
            raise ApiError(ErrorCode.CONFLICT, detail="Only a rejected avatar can be appealed, and only once.")
        if not object_hold(avatar=avatar, key=avatar.master_key):
            raise ApiError(ErrorCode.CONFLICT, detail=_not_kept(tenant))
        avatar.appealed_at = timezone.now()
        avatar_review(avatar=avatar, reason=Reason.APPEALED)
    return avatar


def avatar_redrive(*, tenant: Tenant, avatar_id: UUID) -> Avatar:
    """Try a failed avatar again, from the step that gave up. Raises ApiError NOT_FOUND, CONFLICT."""
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=avatar_id)
        if avatar.state != S.FAILED:
            raise ApiError(ErrorCode.CONFLICT, detail="Only a failed avatar can be tried again.")
        # A failure empties the public area: what was to be published is made again.
        step = Step.THUMBNAILS if avatar.step == Step.PUBLISH else Step(avatar.step)
        kept = avatar.upload_key if step == Step.NORMALISE else avatar.master_key
        if not object_hold(avatar=avatar, key=kept):
            raise ApiError(ErrorCode.CONFLICT, detail="The picture is no longer kept: it must be uploaded again.")
        avatar_move(avatar=avatar, state=S.UPLOADED if step == Step.NORMALISE else S.MODERATING, step=step)
    return avatar


def avatar_delete(*, tenant: Tenant, avatar_id: UUID, user_id: str | None = None) -> None:
    """Every object and version of it goes, in the background until the store has forgotten it. Raises ApiError."""
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=avatar_id)
        if user_id is not None and avatar.user.user_id != user_id:
            raise ApiError(ErrorCode.NOT_FOUND)
        avatar_remove(avatar=avatar)


def _decided(avatar: Avatar, verdict: Verdict) -> bool:
    return (avatar.state, verdict) in {
        (S.APPROVED, Verdict.APPROVE),
        (S.REJECTED, Verdict.REJECT),
        (S.IN_REVIEW, Verdict.REVIEW),
    }


def _master_required(avatar: Avatar) -> None:
    if not object_hold(avatar=avatar, key=avatar.master_key):
        raise ApiError(ErrorCode.CONFLICT, detail="The picture is no longer kept: it must be uploaded again.")


def _not_kept(tenant: Tenant) -> str:
    """Whose appeal comes too late, or could come never: what they do instead."""
    days = avatar_policy_get(tenant=tenant).appeal_days
    if days:
        return f"Rejected pictures are kept for {days} days, and this one no longer: upload another one."
    return "Rejected pictures are not kept here (the tenant's appeal_days is 0): upload another one."
