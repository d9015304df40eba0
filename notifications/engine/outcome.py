"""The settlement of a claimed delivery, from the vendor's result."""

from typing import Final

from notifications.engine.retry import next_attempt
from notifications.engine.types import ClaimedDelivery, Settlement
from notifications.states import DeliveryState, SuspectKind
from providers.base import MisconfiguredScope
from providers.types import Outcome, SendResult
from pushhub.kernel.backoff import RANDOM, Random

APP_PAUSE: Final = 30.0  # seconds, on top of the app's own pause


def settlement_for(delivery: ClaimedDelivery, result: SendResult, *, now: float, random: Random = RANDOM) -> Settlement:
    """`now` is Unix seconds of the database's clock."""
    settlement = Settlement(delivery, DeliveryState.REJECTED, result.error_code[:200], counted=True)
    match result.outcome:
        case Outcome.ACCEPTED:
            settlement.state = DeliveryState.ACCEPTED
            settlement.message_id = result.provider_message_id[:200]
            if delivery.keys_left is not None:
                settlement.vapid_key_id = delivery.vapid_key_id
        case Outcome.RETRY:
            decision = next_attempt(
                attempt=delivery.attempt + 1,
                result=result,
                now=now,
                expires_at=delivery.snapshot.expires_at,
                random=random,
            )
            settlement.state, settlement.wait = decision.state, decision.wait
        case Outcome.ENDPOINT_GONE:
            settlement.state, settlement.gone, settlement.suspect_as = DeliveryState.GONE, True, SuspectKind.GONE
        case Outcome.MISCONFIGURED:
            _misconfigured(settlement)
    return settlement


def settlement_of_unsent(delivery: ClaimedDelivery, *, wait: float, now: float) -> Settlement:
    """A claimed delivery that goes back without an attempt, for `wait` seconds.

    One that expires soon comes back earlier: its host may be available again by then.
    """
    return Settlement(
        delivery, DeliveryState.QUEUED, wait=min(wait, max(1.0, (delivery.snapshot.expires_at - now) / 2))
    )


def _misconfigured(settlement: Settlement) -> None:
    """From a push service such a result is about this subscription, unless many devices get it: then `holds` queues the
    deliveries again. From another vendor it is about the whole app."""
    if settlement.delivery.lane.app.provider.misconfigured_scope is MisconfiguredScope.ORIGIN:
        settlement.suspect_as = SuspectKind.REFUSED
    else:
        settlement.state, settlement.wait, settlement.counted = DeliveryState.QUEUED, APP_PAUSE, False
        settlement.misconfigured = settlement.reason
