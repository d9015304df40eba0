"""The present policy over stored labels: what it would decide otherwise, without asking an engine again.

What a person decided stands, as does what waits for a person for another reason than the policy's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Subquery

from avatars.models import Avatar, Decision, Moderation
from avatars.selectors import avatar_policy_get
from avatars.services.decisions import avatar_decide
from avatars.services.transitions import avatar_lock
from avatars.states import AvatarState, Reason, Verdict
from avatars.tenant_policy import labels_decide
from tenants.models import Tenant

REVIEWER = "policy, re-evaluated"
_MEANT = {
    AvatarState.APPROVED: Verdict.APPROVE,
    AvatarState.IN_REVIEW: Verdict.REVIEW,
    AvatarState.REJECTED: Verdict.REJECT,
}
_STANDS = {Reason.APPEALED, Reason.UNJUDGED, Reason.ENGINE_UNAVAILABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One avatar under the present policy. `verdict` is None when nothing changes."""

    avatar_id: UUID
    state: AvatarState
    verdict: Verdict | None
    because: str
    decision_id: int


def avatars_reevaluated(*, tenant: Tenant) -> Iterator[Looked]:
    """Every avatar of the tenant that the policy decided, oldest first. Reads only."""
    policy = avatar_policy_get(tenant=tenant)
    for avatar in _decided_by_policy(tenant).iterator(chunk_size=500):
        moderation = Moderation.objects.filter(avatar=avatar).order_by("-id").first()
        if moderation is None:
            continue
        decision = labels_decide(moderation, policy)
        state, verdict = AvatarState(avatar.state), Verdict(str(decision.verdict))
        yield Looked(
            avatar_id=avatar.id,
            state=state,
            verdict=None if verdict == _MEANT[state] else verdict,
            because="; ".join(map(str, decision.because)) or "nothing found",
            decision_id=avatar.decision_id,
        )


def reevaluation_apply(*, tenant: Tenant, looked: Looked) -> bool:
    """Decide as the present policy does. False if the avatar has moved on since. Raises ApiError."""
    assert looked.verdict is not None
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=looked.avatar_id)
        newest = Decision.objects.filter(avatar=avatar).order_by("-id").values_list("id", flat=True).first()
        if avatar.state != looked.state or newest != looked.decision_id:
            return False
        # A rejection's reason is told to the person; the account of labels is for operators.
        reason = str(Reason.POLICY.label) if looked.verdict == Verdict.REJECT else looked.because
        avatar_decide(
            tenant=tenant, avatar_id=looked.avatar_id, verdict=looked.verdict, reason=reason, reviewer=REVIEWER
        )
    return True


def _decided_by_policy(tenant: Tenant):  # type: ignore[no-untyped-def]  # an annotated queryset has no name
    latest = Decision.objects.filter(avatar=OuterRef("pk")).order_by("-id")
    avatars = Avatar.objects.filter(tenant=tenant, state__in=_MEANT).exclude(reason__in=_STANDS)
    decided = avatars.annotate(
        decision_id=Subquery(latest.values("id")[:1]), decided_by=Subquery(latest.values("reviewer")[:1])
    )
    return decided.filter(decided_by__in=["", REVIEWER]).order_by("id")
