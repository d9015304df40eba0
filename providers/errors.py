"""What can go wrong before or beside an answer, and what all vendors' error tables share."""

import math
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from outgoing.types import TransportFailure
from providers.types import Outcome, SendResult


class Unsendable(Exception):
    """`Provider.request` cannot make a request of this push; `result` is what to settle it with."""

    def __init__(self, result: SendResult) -> None:
        super().__init__(result.error_code)
        self.result = result


class PayloadTooLarge(Unsendable):
    """The payload exceeds what the vendor takes. `size` and `limit` are bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        detail = f"the payload has {size} bytes, the limit is {limit}"
        super().__init__(SendResult(outcome=Outcome.REJECTED, error_code="PayloadTooLarge", detail=detail))


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a vendor's table: what an answer means, and why in a sentence a tenant may read."""

    outcome: Outcome
    why: str


def retry_after_seconds(value: str | None, *, now: float | None = None) -> float | None:
    """Seconds a Retry-After header asks for: delta-seconds or an HTTP-date (RFC 9110 §10.2.3), None if neither.

    A date in the past is 0. Nonsense is None, never an exception: the header comes from a stranger.
    """
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text)
    except ValueError:
        return _until(text, time.time() if now is None else now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(0.0, moment - now)


def transport_result(failure: TransportFailure) -> SendResult:
    """No answer is always worth another try; what the policy refuses is not: the same look-up gives the same peer."""
    outcome = Outcome.REJECTED if failure.kind == "refused_address" else Outcome.RETRY
    return SendResult(outcome=outcome, error_code=f"transport:{failure.kind}", detail=failure.detail)
