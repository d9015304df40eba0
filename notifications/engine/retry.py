"""Whether to try again, and when: a pure function of the attempt, the result and the clock.

Which response of a vendor asks for another try is in the vendor's table, `providers/*/errors.py`.
"""

from dataclasses import dataclass
from typing import Final

from notifications.states import DeliveryState
from providers.types import SendResult
from pushhub.kernel.backoff import RANDOM, Backoff, Random

MAX_ATTEMPTS: Final = 10
BACKOFF: Final = Backoff(base=1.0, cap=600.0)
# A lost lease says nothing about the vendor: it does not spend attempts. A number of its own ends it.
LOST_LEASES_CAP: Final = 10


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """QUEUED after `wait` seconds, or the end: EXPIRED, DEAD."""

    state: DeliveryState
    wait: float = 0.0


def next_attempt(
    *, attempt: int, result: SendResult, now: float, expires_at: float, random: Random = RANDOM
) -> RetryDecision:
    """After the `attempt`-th response (from 1) that asks for another try. Times are Unix seconds."""
    if attempt >= MAX_ATTEMPTS:
        return RetryDecision(DeliveryState.DEAD)
    wait = BACKOFF.full_jitter(attempt, retry_after=result.retry_after, random=random)
    if now + wait >= expires_at:
        return RetryDecision(DeliveryState.EXPIRED)
    return RetryDecision(DeliveryState.QUEUED, wait)
