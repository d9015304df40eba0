"""Exponential backoff with full jitter: how long to wait before the next try (AWS Architecture Blog, "Exponential
Backoff and Jitter"). Pure functions of the attempt and a source of randomness; no Django."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_DOUBLINGS: Final = 60  # reaches every cap; with an unlimited number of attempts a float would overflow

Random = Callable[[], float]  # in [0, 1)
RANDOM: Final[Random] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that double from `base` to `cap`, both in seconds."""

    base: float
    cap: float

    def longest(self, attempt: int) -> float:
        """`base`, doubled `attempt` times, at most `cap`."""
        return min(self.cap, self.base * 2.0 ** min(attempt, _DOUBLINGS))

    def after(self, seconds: float) -> float:
        """The wait that follows a wait of `seconds`, without jitter."""
        return min(self.cap, seconds * 2.0)

    def full_jitter(self, attempt: int, *, retry_after: float | None = None, random: Random = RANDOM) -> float:
        """A random wait of at most `longest(attempt)`, so that calls that failed together are not retried together.

        `retry_after` is the wait that the other side demands, in seconds. The random wait is added to it.
        """
        return (retry_after or 0.0) + random() * self.longest(attempt)


def spread(shortest: float, longest: float, *, random: Random = RANDOM) -> float:
    """A random wait between two bounds, for work that has not failed and must not run all at once."""
    return shortest + random() * (longest - shortest)
