"""How each step of the workflow ends. Every function runs in one transaction, in which the user and the avatar are
locked and the worker still has the lease."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models.functions import Now

from avatars.models import Avatar, AvatarPolicy, Decision, Moderation, TimelineEntry
from avatars.moderation.policy import ModerationAction
from avatars.selectors import avatar_policy_get
from avatars.services.objects import objects_drop
from avatars.services.transitions import (
    avatar_approve,
    avatar_move,
    avatar_reject,
    avatar_review,
    step_set,
)
from avatars.states import AvatarState, Reason, WorkflowStep
from avatars.storage.base import UPLOADS


def master_keep(*, avatar: Avatar, key: str, format: str, width: int, height: int, source_format: str) -> None:
    """NORMALISE is done; the upload is not needed any more."""
    avatar.master_key, avatar.master_format = key, format
    avatar.width, avatar.height, avatar.source_format = width, height, source_format[:10]
    objects_drop(avatars=[avatar], prefixes=[UPLOADS])
    avatar_move(avatar=avatar, state=AvatarState.MODERATING, step=WorkflowStep.MODERATE)


def labels_keep(*, avatar: Avatar, engine: str, model_version: str, labels: list[Any], raw: Any) -> None:
    """MODERATE is done."""
    Moderation.objects.create(
        tenant=avatar.tenant,
        avatar=avatar,
        engine=engine[:100],
        model_version=model_version[:200],
        labels=labels,
        raw=raw,
    )
    step_set(avatar=avatar, step=WorkflowStep.DECIDE)


def decision_apply(*, avatar: Avatar, action: str, causes: Sequence[Any]) -> None:
    """DECIDE is done."""
    Decision.objects.create(tenant=avatar.tenant, avatar=avatar, action=action, causes=list(causes))
    match action:
        case ModerationAction.APPROVE:
            step_set(avatar=avatar, step=WorkflowStep.THUMBNAILS)
        case ModerationAction.REJECT:
            avatar_reject(avatar=avatar, reason=Reason.POLICY)
        case _:
            avatar_review(avatar=avatar, reason=Reason.REVIEW_NEEDED)


def variants_keep(*, avatar: Avatar, variants: list[dict[str, Any]]) -> None:
    """THUMBNAILS is done."""
    avatar.variants = variants
    step_set(avatar=avatar, step=WorkflowStep.PUBLISH)


def picture_publish(*, avatar: Avatar) -> None:
    """PUBLISH is done in this transaction."""
    policy = avatar_policy_get(tenant=avatar.tenant)
    avatar_approve(avatar=avatar, picture=picture_of(avatar=avatar, policy=policy))


def picture_of(*, avatar: Avatar, policy: AvatarPolicy) -> dict[str, Any]:
    """The user's `picture`: URLs under the tenant's CDN."""
    base = policy.cdn_base_url or settings.AVATAR_PUBLIC_BASE_URL
    variants = [
        {"size": variant["size"], "format": variant["format"], "url": f"{base}/{variant['key'].partition('/')[2]}"}
        for variant in avatar.variants
    ]
    return {"avatar_id": str(avatar.id), "variants": variants}


def step_failed(*, avatar: Avatar, outcome: str, detail: str) -> None:
    """An attempt at the avatar's step failed; what follows is another entry of the timeline."""
    TimelineEntry.objects.create(
        tenant=avatar.tenant,
        avatar=avatar,
        what=avatar.step,
        outcome=outcome,
        detail=detail[:300],
        attempt=avatar.attempts,
    )


def step_retry(*, avatar: Avatar, after: timedelta, failing_since: datetime, reason: Reason | None = None) -> None:
    """The same step is due again in `after`. The `reason`, if any, is shown to the person meanwhile."""
    avatar.failing_since = failing_since
    avatar.reason = reason or ""
    avatar.detail = reason.label if reason else ""
    avatar.lease = avatar.lease_expires_at = None
    avatar.due_at = Now() + after
    avatar.save()


def step_note(*, avatar: Avatar, milliseconds: int) -> None:
    """Record an attempt at the avatar's step. The next entry of the timeline has its result."""
    TimelineEntry.objects.create(
        tenant=avatar.tenant, avatar=avatar, what=avatar.step, attempt=avatar.attempts, milliseconds=milliseconds
    )


def step_lost(*, avatar: Avatar) -> None:
    """Record that the worker before never settled: it was killed, or stopped for longer than its lease."""
    TimelineEntry.objects.create(
        tenant_id=avatar.tenant_id,
        avatar=avatar,
        what=avatar.step,
        outcome="lost",
        detail="the worker's lease ran out; the step was claimed again",
        attempt=avatar.attempts - 1,
    )
