"""How many requests a host takes at once, as far as this process can tell: AIMD with slow start and a look at latency.

Doubles each round trip until the host first resists, then grows by one a round trip. Halves, at most once a round trip,
when the host pushes back (429, 503, time-outs); gives way by an eighth when answers take far longer than they could.
"""

from math import inf
from typing import Final

START: Final = 32  # requests; doubled every round trip: the full window after four or five
FLOOR: Final = 8  # requests; below, a host is the breaker's business
PUSHING_DEVICES: Final = 3  # a 429 is about one push resource (RFC 8030 §8.4); of several, it is about the host
PUSHING_SHARE: Final = 0.1  # of the answers since it last gave way
WEIGHT: Final = 0.1  # of the newest answer in the smoothed latency
ROUND_TRIP: Final = 0.1  # seconds; the shortest that is told apart
RISEN: Final = (3.0, 0.5)  # latency above factor × least + seconds: stop growing. Our own queueing stays below
FAR_RISEN: Final = (6.0, 1.0)  # … give way
FORGET: Final = 60.0  # seconds after which the least latency is learnt anew: routes change


class ConcurrencyLimiter:
    """One host's. Times are monotonic seconds; `limit` is what it may have under way, up to `ceiling`."""

    __slots__ = (
        "_answers",
        "_decreased_at",
        "_learnt",
        "_least",
        "_pushes",
        "_pushing",
        "_starting",
        "ceiling",
        "latency",
        "limit",
    )

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = float(min(START, ceiling))
        self.latency = 0.0  # smoothed
        self._least = inf
        self._learnt = 0.0
        self._starting = True
        self._decreased_at = 0.0
        self._answers = 0
        self._pushes = 0
        self._pushing: set[int] = set()

    @property
    def known(self) -> bool:
        """Whether the host has answered often enough to tell how long it takes."""
        return self._answers >= FLOOR or not self._starting

    def answered(self, seconds: float, *, now: float) -> None:
        """An answer that asked for nothing. Called for every delivery: no allocation, some 0.3 µs."""
        self._answers += 1
        if seconds < self._least or now - self._learnt > FORGET:
            self._least, self._learnt = seconds, now
        latency = self.latency = self.latency + (seconds - self.latency) * WEIGHT if self.latency else seconds
        if latency > RISEN[0] * self._least + RISEN[1]:
            if latency > FAR_RISEN[0] * self._least + FAR_RISEN[1]:
                self._decrease(0.875, now)
        elif self.limit < self.ceiling:
            self.limit = min(self.ceiling, self.limit + (1.0 if self._starting else 1.0 / self.limit))

    def on_backpressure(self, device_id: int, *, now: float) -> None:
        """A 429, a 503, a time-out."""
        self._pushes += 1
        if len(self._pushing) < PUSHING_DEVICES:
            self._pushing.add(device_id)
        if len(self._pushing) == PUSHING_DEVICES and self._pushes >= PUSHING_SHARE * (self._answers + self._pushes):
            self._decrease(0.5, now)

    def _decrease(self, factor: float, now: float) -> None:
        if now - self._decreased_at < max(self.latency, ROUND_TRIP):
            return
        self.limit = max(float(min(FLOOR, self.ceiling)), self.limit * factor)
        self._starting = False
        self._decreased_at = now
        self._answers = self._pushes = 0
        self._pushing.clear()
