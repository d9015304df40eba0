"""Apply the present policy to stored labels: which decisions would differ, without asking an engine again.

Decisions of people stay. So do avatars that wait for a person for another reason than the policy's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Subquery

from avatars.models import Avatar, Decision, Moderation
from avatars.moderation.policy import ModerationAction
from avatars.selectors import avatar_policy_get
from avatars.services.decisions import avatar_decide
from avatars.services.transitions import avatar_lock
from avatars.states import AvatarState, Reason
from avatars.tenant_policy import labels_decide
from tenants.models import Tenant

REVIEWER = "policy, re-evaluated"
_MEANT = {
    AvatarState.APPROVED: ModerationAction.APPROVE,
    AvatarState.IN_REVIEW: ModerationAction.REVIEW,
    AvatarState.REJECTED: ModerationAction.REJECT,
}
_STANDS = {Reason.APPEALED, Reason.UNJUDGED, Reason.ENGINE_UNAVAILABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reevaluation:
    """One avatar under the present policy. `action`: what changes; None: nothing."""

    avatar_id: UUID
    state: AvatarState
    action: ModerationAction | None
    causes: str
    decision_id: int


def avatars_reevaluated(*, tenant: Tenant) -> Iterator[Reevaluation]:
    """Every avatar of the tenant that the policy has decided, oldest first. Writes nothing."""
    policy = avatar_policy_get(tenant=tenant)
    for avatar in _decided_by_policy(tenant).iterator(chunk_size=500):
        moderation = Moderation.objects.filter(avatar=avatar).order_by("-id").first()
        if moderation is None:
            continue
        decision = labels_decide(moderation, policy)
        state, action = AvatarState(avatar.state), ModerationAction(str(decision.action))
        yield Reevaluation(
            avatar_id=avatar.id,
            state=state,
            action=None if action == _MEANT[state] else action,
            causes="; ".join(map(str, decision.causes)) or "nothing found",
            decision_id=avatar.decision_id,
        )


def reevaluation_apply(*, tenant: Tenant, reevaluation: Reevaluation) -> bool:
    """Decide as the present policy does. False if the avatar has changed since. Raises ApiError."""
    assert reevaluation.action is not None
    with transaction.atomic():
        avatar = avatar_lock(tenant=tenant, avatar_id=reevaluation.avatar_id)
        newest = Decision.objects.filter(avatar=avatar).order_by("-id").values_list("id", flat=True).first()
        if avatar.state != reevaluation.state or newest != reevaluation.decision_id:
            return False
        # The reason of a rejection is shown to the person; the causes are for operators.
        rejects = reevaluation.action == ModerationAction.REJECT
        avatar_decide(
            tenant=tenant,
            avatar_id=reevaluation.avatar_id,
            action=reevaluation.action,
            reason=str(Reason.POLICY.label) if rejects else reevaluation.causes,
            reviewer=REVIEWER,
        )
    return True


def _decided_by_policy(tenant: Tenant):  # type: ignore[no-untyped-def]  # an annotated queryset has no name
    latest = Decision.objects.filter(avatar=OuterRef("pk")).order_by("-id")
    avatars = Avatar.objects.filter(tenant=tenant, state__in=_MEANT).exclude(reason__in=_STANDS)
    decided = avatars.annotate(
        decision_id=Subquery(latest.values("id")[:1]), decided_by=Subquery(latest.values("reviewer")[:1])
    )
    return decided.filter(decided_by__in=["", REVIEWER]).order_by("id")
