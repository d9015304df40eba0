"""How many requests a host takes at once, as seen by this process: AIMD with slow start, limited by latency.

The limit doubles with each round trip until the host first resists, then grows by one with each round trip. It halves,
at most once per round trip, on backpressure (429, 503, timeouts), and decreases by an eighth when responses take far
longer than they can.
"""

from math import inf
from typing import Final

START: Final = 32  # requests; doubled every round trip: the full window after four or five
FLOOR: Final = 8  # requests; fewer are the circuit breaker's decision
BACKPRESSURE_DEVICES: Final = 3  # a 429 is about one push resource (RFC 8030 §8.4); from several, it is about the host
BACKPRESSURE_SHARE: Final = 0.1  # of the responses since the last decrease
WEIGHT: Final = 0.1  # of the newest response in the smoothed latency
ROUND_TRIP: Final = 0.1  # seconds; a shorter round trip counts as this long
RISEN: Final = (3.0, 0.5)  # latency above factor × least + seconds: stop growing. Our own queueing stays below
FAR_RISEN: Final = (6.0, 1.0)  # … decrease
LEAST_KEPT: Final = 60.0  # seconds after which the least latency is measured again: routes change


class ConcurrencyLimiter:
    """For one host. Times are monotonic seconds; `limit` is how many requests may be in flight, up to `ceiling`."""

    __slots__ = (
        "_backpressure_devices",
        "_backpressures",
        "_decreased_at",
        "_least",
        "_least_at",
        "_responses",
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
        self._least_at = 0.0
        self._starting = True
        self._decreased_at = 0.0
        self._responses = 0
        self._backpressures = 0
        self._backpressure_devices: set[int] = set()

    @property
    def is_measured(self) -> bool:
        """Whether the host has answered often enough to know its latency."""
        return self._responses >= FLOOR or not self._starting

    def on_response(self, seconds: float, *, now: float) -> None:
        """A response without backpressure. Called for every delivery: no allocation, some 0.3 µs."""
        self._responses += 1
        if seconds < self._least or now - self._least_at > LEAST_KEPT:
            self._least, self._least_at = seconds, now
        latency = self.latency = self.latency + (seconds - self.latency) * WEIGHT if self.latency else seconds
        if latency > RISEN[0] * self._least + RISEN[1]:
            if latency > FAR_RISEN[0] * self._least + FAR_RISEN[1]:
                self._decrease(0.875, now)
        elif self.limit < self.ceiling:
            self.limit = min(self.ceiling, self.limit + (1.0 if self._starting else 1.0 / self.limit))

    def on_backpressure(self, device_id: int, *, now: float) -> None:
        """A 429, a 503, a timeout."""
        self._backpressures += 1
        if len(self._backpressure_devices) < BACKPRESSURE_DEVICES:
            self._backpressure_devices.add(device_id)
        if len(self._backpressure_devices) < BACKPRESSURE_DEVICES:
            return
        if self._backpressures >= BACKPRESSURE_SHARE * (self._responses + self._backpressures):
            self._decrease(0.5, now)

    def _decrease(self, factor: float, now: float) -> None:
        if now - self._decreased_at < max(self.latency, ROUND_TRIP):
            return
        self.limit = max(float(min(FLOOR, self.ceiling)), self.limit * factor)
        self._starting = False
        self._decreased_at = now
        self._responses = self._backpressures = 0
        self._backpressure_devices.clear()
