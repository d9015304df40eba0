"""From a vendor's answer to what becomes of the delivery."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

from notifications.claims import Job, Settlement
from notifications.retry import next_attempt
from notifications.states import DeliveryState
from providers.types import Outcome, SendResult

REFUSALS: Final = (
    20  # distinct devices of one (app, origin) refused without a success between: then it is our credential
)
REFUSALS_WINDOW: Final = 600.0  # seconds
ORIGIN_PAUSE: Final = 300.0  # seconds until deliveries of a distrusted (app, origin) are tried again
APP_PAUSE: Final = 30.0  # seconds, on top of the app's own pause
ORIGINS_KEPT: Final = 10_000  # strangers choose origins


class Refusals:
    """Which devices of an (app, push origin) were refused for our credentials since its last success.

    One refused device is that device's key mismatch, or somebody's experiment: it harms no other. Many distinct ones
    without a success between are our credential's fault.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[UUID, str], tuple[float, set[int]]] = OrderedDict()

    def success(self, app_id: UUID, origin: str) -> None:
        self._seen.pop((app_id, origin), None)

    def refused(self, app_id: UUID, origin: str, device_id: int) -> bool:
        """Count a refusal; whether it is the credential by now."""
        now = time.monotonic()
        since, devices = self._seen.get((app_id, origin), (now, set()))
        if now - since > REFUSALS_WINDOW:
            since, devices = now, set()
        if len(devices) < REFUSALS:
            devices.add(device_id)
        self._seen[app_id, origin] = since, devices
        if len(self._seen) > ORIGINS_KEPT:
            self._seen.popitem(last=False)
        return len(devices) >= REFUSALS


def verdict(job: Job, result: SendResult, *, refusals: Refusals, now: float, random: Callable[[], float]) -> Settlement:
    """`now` is Unix seconds of the database's clock."""
    settlement = Settlement(job, DeliveryState.REJECTED, result.error_code[:200], counted=True)
    match result.outcome:
        case Outcome.ACCEPTED:
            settlement.state = DeliveryState.ACCEPTED
            settlement.message_id = result.provider_message_id[:200]
            if job.keys_left is not None:
                settlement.vapid_key_id = job.vapid_key_id
            refusals.success(job.lane.app.id, job.host)
        case Outcome.RETRY:
            decision = next_attempt(
                attempt=job.attempt + 1, result=result, now=now, expires_at=job.facts.expires_at, random=random
            )
            settlement.state, settlement.wait = decision.state, decision.wait
        case Outcome.ENDPOINT_GONE:
            settlement.state, settlement.gone = DeliveryState.GONE, True
        case Outcome.MISCONFIGURED:
            _misconfigured(settlement, refusals)
    return settlement


def _misconfigured(settlement: Settlement, refusals: Refusals) -> None:
    """Another vendor's word is about the app. A push service's is about this subscription, until many say the same."""
    job = settlement.job
    if job.lane.app.provider != "webpush":
        settlement.state, settlement.wait, settlement.counted = DeliveryState.QUEUED, APP_PAUSE, False
        settlement.misconfigured = settlement.reason
    elif refusals.refused(job.lane.app.id, job.host, job.device_id):
        settlement.state, settlement.wait, settlement.counted = DeliveryState.QUEUED, ORIGIN_PAUSE, False
