"""Whether a step is tried again, and when: pure functions of attempts, times and the tenant's choice."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_ATTEMPTS: Final = 8
UPLOAD_ATTEMPTS: Final = 4  # a version that is gone: another one's event may be on its way, and no more than that
MAX_LOST_LEASES: Final = 4  # a picture that kills its worker every time must end too
BASE_SECONDS: Final = 1.0
CAP_SECONDS: Final = 300.0
ENGINE_CAP_SECONDS: Final = 60.0


class StepFailure(Enum):
    """What kept a step from being done."""

    STEP = "step"  # the store, the database, a fault of ours
    UPLOAD = "upload"  # the uploaded version is not there
    ENGINE = "engine"  # no answer from the engine: it never costs the picture its chance


class End(Enum):
    FAIL = "fail"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


def next_attempt(
    trouble: StepFailure,
    *,
    attempt: int,
    failing_seconds: float,
    review_after_seconds: float | None,
    retry_after: float,
    random: Callable[[], float],
) -> Wait | End:
    """After the `attempt`-th failure (from 1) of a step that has been failing for so long.

    `review_after_seconds`: how long an engine may be away before a person decides; None = hold, for ever. Full jitter,
    added to the `retry_after` that was asked for.
    """
    if trouble is StepFailure.ENGINE:
        if review_after_seconds is not None and failing_seconds >= review_after_seconds:
            return End.REVIEW
    elif attempt >= (UPLOAD_ATTEMPTS if trouble is StepFailure.UPLOAD else MAX_ATTEMPTS):
        return End.FAIL
    cap = ENGINE_CAP_SECONDS if trouble is StepFailure.ENGINE else CAP_SECONDS
    return Wait(retry_after + random() * min(cap, BASE_SECONDS * 2 ** min(attempt, 20)))
