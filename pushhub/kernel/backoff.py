"""Exponential backoff with full jitter: how long to wait before the next try (AWS Architecture Blog, "Exponential
Backoff and Jitter"). Pure functions of the attempt and a source of randomness; no Django."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_DOUBLINGS: Final = 60  # more would reach every cap, and attempts without an end would overflow a float

Random = Callable[[], float]  # in [0, 1)
RANDOM: Final[Random] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that double from `base` to `cap`. Both in seconds."""

    base: float
    cap: float

    def longest(self, attempt: int) -> float:
        """`base`, doubled `attempt` times, at most `cap`."""
        return min(self.cap, self.base * 2.0 ** min(attempt, _DOUBLINGS))

    def after(self, seconds: float) -> float:
        """The wait that follows a wait of `seconds`, without jitter."""
        return min(self.cap, seconds * 2.0)

    def full_jitter(self, attempt: int, *, retry_after: float | None = None, random: Random = RANDOM) -> float:
        """Anything up to `longest(attempt)`, so that what failed together does not come back together.

        The jitter is added to `retry_after`, the seconds that the other side asked for: they are never undercut.
        """
        return (retry_after or 0.0) + random() * self.longest(attempt)


def spread(shortest: float, longest: float, *, random: Random = RANDOM) -> float:
    """A wait between two bounds, for what has not failed and must not come back all at once."""
    return shortest + random() * (longest - shortest)
