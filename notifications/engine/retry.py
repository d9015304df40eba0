"""Whether to try again, and when: a pure function of the attempt, the answer and the clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from notifications.states import DeliveryState
from providers.types import SendResult

MAX_ATTEMPTS: Final = 10
BASE_SECONDS: Final = 1.0
CAP_SECONDS: Final = 600.0
LOST_LEASES_CAP: Final = (
    10  # a lost lease says nothing about the vendor: it does not spend attempts, but it must end too
)


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """QUEUED after `wait` seconds, or the end: EXPIRED, DEAD."""

    state: DeliveryState
    wait: float = 0.0


def next_attempt(
    *, attempt: int, result: SendResult, now: float, expires_at: float, random: Callable[[], float]
) -> RetryDecision:
    """After the `attempt`-th answer (from 1) that asks for another try. Unix seconds; `random` is in [0, 1).

    Full jitter: anything up to the doubled wait, so that what failed together does not come back together. A
    Retry-After is never undercut: the jitter is added to it.
    """
    if attempt >= MAX_ATTEMPTS:
        return RetryDecision(DeliveryState.DEAD)
    wait = (result.retry_after or 0.0) + random() * min(CAP_SECONDS, BASE_SECONDS * 2**attempt)
    if now + wait >= expires_at:
        return RetryDecision(DeliveryState.EXPIRED)
    return RetryDecision(DeliveryState.QUEUED, wait)
