"""Whether a step is tried again, and when: pure functions of attempts, times and the tenant's choice."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from pushhub.kernel.backoff import RANDOM, Backoff, Random

MAX_ATTEMPTS: Final = 8
UPLOAD_ATTEMPTS: Final = 4  # for a version that is gone: the event of a later version may still arrive
MAX_LOST_LEASES: Final = 4  # a picture that kills its worker every time must fail in the end
BACKOFF: Final = Backoff(base=1.0, cap=300.0)
ENGINE_BACKOFF: Final = Backoff(base=1.0, cap=60.0)


class StepFailure(Enum):
    """Why a step failed."""

    STEP = "step"  # the store, the database, an internal error
    UPLOAD = "upload"  # the uploaded version is not in the store
    ENGINE = "engine"  # the engine did not answer: this never makes the avatar fail


class End(Enum):
    FAIL = "fail"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


def next_attempt(
    failure: StepFailure,
    *,
    attempt: int,
    failing_seconds: float,
    review_after_seconds: float | None,
    retry_after: float,
    random: Random = RANDOM,
) -> Wait | End:
    """After the `attempt`-th failure (from 1) of a step that has been failing for so long.

    `review_after_seconds`: how long an engine may be unreachable before a person decides; None: the picture waits
    without an end. `retry_after`: the seconds that the engine asked for; never undercut.
    """
    if failure is StepFailure.ENGINE:
        if review_after_seconds is not None and failing_seconds >= review_after_seconds:
            return End.REVIEW
    elif attempt >= (UPLOAD_ATTEMPTS if failure is StepFailure.UPLOAD else MAX_ATTEMPTS):
        return End.FAIL
    backoff = ENGINE_BACKOFF if failure is StepFailure.ENGINE else BACKOFF
    return Wait(backoff.full_jitter(attempt, retry_after=retry_after, random=random))
