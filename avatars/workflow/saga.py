"""The saga: claim a due step, do it outside any transaction, settle it by (avatar, lease). All its state is in rows.

A worker may die at any moment. The step is due again when the lease has run out, and then finds what was done before
(objects are named by their content, and recorded before they are put), or does it again with the same result.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import connection
from django.utils import timezone

from avatars import keys, sql
from avatars.engine import engine_get
from avatars.imaging.normalise import image_normalise
from avatars.imaging.thumbnails import thumbnails_make
from avatars.imaging.types import ImageRefused
from avatars.models import Avatar, AvatarPolicy
from avatars.moderation.base import EngineMisconfigured, EngineRefused, EngineRetry
from avatars.moderation.types import S3Object
from avatars.selectors import avatar_policy_get, moderation_latest
from avatars.services import steps
from avatars.services.objects import ObjectsBusy, object_put, objects_intend
from avatars.services.transitions import (
    avatar_fail,
    avatar_lock,
    avatar_reject,
    avatar_review,
    avatar_supersede,
    newer_than,
)
from avatars.states import Reason, WorkflowStep
from avatars.storage import storage_get
from avatars.storage.base import ObjectMissing, ObjectTooLarge, StorageRetry
from avatars.tenant_policy import image_limits, labels_decide
from avatars.workflow.retry import MAX_LOST_LEASES, End, StepFailure, next_attempt
from pushhub.kernel.errors import ApiError
from pushhub.workers.leased_work import LeasedWork, one_by_one

logger = logging.getLogger(__name__)

MASTER_MAX_BYTES = 16 * 1024 * 1024  # pushhub wrote the master itself: this only bounds the memory
Settle = Callable[[Avatar], None]


@dataclass(frozen=True, slots=True)
class StepResult:
    """`settle` writes the step's result, with the avatar and its user locked."""

    settle: Settle
    milliseconds: int


def _claim() -> list[Avatar]:
    lease = timedelta(seconds=settings.AVATAR_LEASE_SECONDS)
    with connection.cursor() as cursor:
        claim = sql.avatar_claim(cursor, lease=lease)
    if claim is None:
        return []
    avatar = Avatar.objects.select_related("tenant", "user").get(id=claim.avatar_id)
    if claim.lost:
        steps.step_lost(avatar=avatar)
    return [avatar]


def _call(avatar: Avatar) -> StepResult:
    started = time.monotonic()
    settle = _step_settle(avatar)
    return StepResult(settle, milliseconds=int((time.monotonic() - started) * 1000))


def _settle(avatar: Avatar, result: StepResult) -> bool:
    """False when another worker, an upload or a person has ended the lease."""
    try:
        locked = avatar_lock(tenant=avatar.tenant, avatar_id=avatar.id)
    except ApiError:
        return False
    if locked.lease != avatar.lease:
        return False
    steps.step_note(avatar=locked, milliseconds=result.milliseconds)
    result.settle(locked)
    return True


WORKFLOW = LeasedWork(
    name="avatars", item_id=lambda avatar: avatar.id, claim=_claim, calls=one_by_one(_call), settle=_settle
)


def _step_settle(avatar: Avatar) -> Settle:
    """Do the avatar's step. How its result is settled, or its failure; raises nothing."""
    if newer_than(avatar, avatar.user.picture):
        return lambda locked: avatar_supersede(avatars=[locked])
    if avatar.lost_leases > MAX_LOST_LEASES:
        return lambda locked: avatar_fail(avatar=locked, reason=Reason.STEPS_EXHAUSTED)
    try:
        return STEPS[WorkflowStep(avatar.step)](avatar)
    except ObjectsBusy:
        return _failure(StepFailure.STEP, "the lease ended, or objects of the same name are being removed")
    except ObjectMissing:
        uploaded = avatar.step == WorkflowStep.NORMALISE
        return _failure(StepFailure.UPLOAD if uploaded else StepFailure.STEP, "object missing")
    except StorageRetry as error:
        return _failure(StepFailure.STEP, f"store: {error}")
    except EngineRetry as error:
        return _failure(StepFailure.ENGINE, f"engine: {error}", error.after or 0.0)
    except EngineMisconfigured as error:
        logger.error("moderation engine misconfigured", extra={"error": str(error)})
        return _failure(StepFailure.ENGINE, f"engine: {error}")
    except Exception as error:
        logger.exception("avatar step failed", extra={"avatar": str(avatar.id), "step": avatar.step})
        return _failure(StepFailure.STEP, type(error).__name__)


def _normalise(avatar: Avatar) -> Settle:
    """Fetch exactly the version that the event named, check it by its content, keep the master."""
    storage, policy = storage_get(), avatar_policy_get(tenant=avatar.tenant)
    try:
        data = storage.get(
            avatar.upload_key, max_bytes=policy.max_bytes, version=avatar.upload_version, etag=avatar.upload_etag
        )
        image = image_normalise(data, image_limits(policy))
    except ObjectTooLarge:
        return lambda locked: avatar_reject(avatar=locked, reason=Reason.UPLOAD_TOO_LARGE)
    except ImageRefused as refused:
        code = refused.code
        return lambda locked: avatar_reject(avatar=locked, reason=code.value, detail=code.sentence)
    key = keys.master_key(avatar.tenant_id, avatar.id, image.bytes, image.format)
    objects_intend(avatar=avatar, keys=[key])
    object_put(avatar=avatar, key=key, data=image.bytes)
    return lambda locked: steps.master_keep(
        avatar=locked,
        key=key,
        format=image.format,
        width=image.width,
        height=image.height,
        source_format=image.source_format,
    )


def _moderate(avatar: Avatar) -> Settle:
    storage = storage_get()
    master = storage.get(avatar.master_key, max_bytes=MASTER_MAX_BYTES)
    s3_object = S3Object(bucket=storage.bucket, key=avatar.master_key) if storage.name == "s3" else None
    try:
        result = engine_get().moderate(master, s3_object=s3_object)
    except EngineRefused:
        return lambda locked: avatar_review(avatar=locked, reason=Reason.UNJUDGED)
    return lambda locked: steps.labels_keep(
        avatar=locked,
        engine=result.engine,
        model_version=result.ModerationModelVersion,
        labels=[label.as_json() for label in result.labels],
        raw=dict(result.raw),
    )


def _decide(avatar: Avatar) -> Settle:
    moderation = moderation_latest(avatar=avatar)
    assert moderation is not None
    decision = labels_decide(moderation, avatar_policy_get(tenant=avatar.tenant))
    return lambda locked: steps.decision_apply(
        avatar=locked, action=str(decision.action), causes=[str(cause) for cause in decision.causes]
    )


def _thumbnails(avatar: Avatar) -> Settle:
    """Into the public area, under keys that cannot be guessed. No row points there before PUBLISH."""
    policy = avatar_policy_get(tenant=avatar.tenant)
    master = storage_get().get(avatar.master_key, max_bytes=MASTER_MAX_BYTES)
    made = {
        keys.public_key(avatar.tenant_id, avatar.id, variant.bytes, variant.format): variant
        for variant in thumbnails_make(master, policy.sides)
    }
    objects_intend(avatar=avatar, keys=list(made))
    for key, variant in made.items():
        object_put(avatar=avatar, key=key, data=variant.bytes)
    variants = [{"size": variant.size, "format": variant.format, "key": key} for key, variant in made.items()]
    return lambda locked: steps.variants_keep(avatar=locked, variants=variants)


def _publish(avatar: Avatar) -> Settle:
    return lambda locked: steps.picture_publish(avatar=locked)


def _failure(failure: StepFailure, detail: str, retry_after: float = 0.0) -> Settle:
    return partial(_failure_settle, failure, detail, retry_after)


def _failure_settle(failure: StepFailure, detail: str, retry_after: float, avatar: Avatar) -> None:
    """The step is tried again later, or a person decides, or the avatar fails."""
    policy = avatar_policy_get(tenant=avatar.tenant)
    reviewed = policy.engine_down == AvatarPolicy.EngineDown.REVIEW
    now = timezone.now()
    since = avatar.failing_since or now
    following = next_attempt(
        failure,
        attempt=avatar.attempts,
        failing_seconds=(now - since).total_seconds(),
        review_after_seconds=policy.engine_down_minutes * 60.0 if reviewed else None,
        retry_after=retry_after,
    )
    steps.step_failed(avatar=avatar, outcome=failure.value, detail=detail)
    if following is End.REVIEW:
        avatar_review(avatar=avatar, reason=Reason.ENGINE_UNAVAILABLE)
    elif following is End.FAIL:
        missing = failure is StepFailure.UPLOAD
        avatar_fail(avatar=avatar, reason=Reason.UPLOAD_MISSING if missing else Reason.STEPS_EXHAUSTED)
    else:
        assert not isinstance(following, End)
        reason = Reason.ENGINE_UNAVAILABLE if failure is StepFailure.ENGINE else None
        after = timedelta(seconds=following.seconds)
        steps.step_retry(avatar=avatar, after=after, failing_since=since, reason=reason)


STEPS: dict[WorkflowStep, Callable[[Avatar], Settle]] = {
    WorkflowStep.NORMALISE: _normalise,
    WorkflowStep.MODERATE: _moderate,
    WorkflowStep.DECIDE: _decide,
    WorkflowStep.THUMBNAILS: _thumbnails,
    WorkflowStep.PUBLISH: _publish,
}
