"""From a vendor's answer to what becomes of the delivery."""

from collections.abc import Callable
from typing import Final

from notifications.engine.claim import ClaimedDelivery, Settlement
from notifications.engine.retry import next_attempt
from notifications.holds.models import DoubtKind
from notifications.states import DeliveryState
from providers.types import Outcome, SendResult

APP_PAUSE: Final = 30.0  # seconds, on top of the app's own pause


def verdict(job: ClaimedDelivery, result: SendResult, *, now: float, random: Callable[[], float]) -> Settlement:
    """`now` is Unix seconds of the database's clock."""
    settlement = Settlement(job, DeliveryState.REJECTED, result.error_code[:200], counted=True)
    match result.outcome:
        case Outcome.ACCEPTED:
            settlement.state = DeliveryState.ACCEPTED
            settlement.message_id = result.provider_message_id[:200]
            if job.keys_left is not None:
                settlement.vapid_key_id = job.vapid_key_id
        case Outcome.RETRY:
            decision = next_attempt(
                attempt=job.attempt + 1, result=result, now=now, expires_at=job.facts.expires_at, random=random
            )
            settlement.state, settlement.wait = decision.state, decision.wait
        case Outcome.ENDPOINT_GONE:
            settlement.state, settlement.gone, settlement.doubt = DeliveryState.GONE, True, DoubtKind.GONE
        case Outcome.MISCONFIGURED:
            _misconfigured(settlement)
    return settlement


def _misconfigured(settlement: Settlement) -> None:
    """Another vendor's word is about the app. A push service's is about this subscription, unless of many it says the
    same: then `holds` takes the deliveries back."""
    if settlement.job.lane.app.provider == "webpush":
        settlement.doubt = DoubtKind.REFUSED
    else:
        settlement.state, settlement.wait, settlement.counted = DeliveryState.QUEUED, APP_PAUSE, False
        settlement.misconfigured = settlement.reason
