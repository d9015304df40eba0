"""A circuit breaker for one host: after failures of several devices in a row, one request at a time probes the host.

Each process has its own: an outage is visible to every process within seconds, and no agreement is needed.
"""

from typing import Final

from pushhub.kernel.backoff import Backoff

DEVICES: Final = 5  # in a row without a response, or with a 5xx: one device's failure says nothing about its host
PROBES: Final = Backoff(base=1.0, cap=60.0)  # until the first probe; doubled with every probe that fails
LONGEST_RETRY_AFTER: Final = 300.0  # seconds of a Retry-After that are respected


class CircuitBreaker:
    """Closed: everything is sent. Open: nothing is sent. Half-open: one request, the probe, is in flight.

    Times are monotonic seconds. `suspects` are the devices whose failures opened it, or may open it soon.
    """

    __slots__ = ("_half_open", "_until", "_wait", "suspects")

    def __init__(self) -> None:
        self.suspects: set[int] = set()
        self._wait = 0.0
        self._until = 0.0
        self._half_open = False

    @property
    def is_closed(self) -> bool:
        return self._wait == 0.0

    def record_success(self) -> None:
        """Any response that is not the server's own failure: the host is available."""
        if self.suspects:
            self.suspects.clear()
            self._wait = self._until = 0.0
            self._half_open = False

    def record_failure(self, device_id: int, *, now: float, retry_after: float | None = None) -> bool:
        """No response, or a 5xx, with the seconds of its Retry-After. Whether this failure has opened the breaker."""
        pause = min(retry_after or 0.0, LONGEST_RETRY_AFTER)
        if not self.is_closed:
            if self._half_open:
                self._half_open = False
                self._wait = PROBES.after(self._wait)
                self._until = now + self._wait
            self._until = max(self._until, now + pause)
            return False
        self.suspects.add(device_id)
        self._until = max(self._until, now + pause)
        if len(self.suspects) < DEVICES:
            return False
        self._wait = PROBES.base
        self._until = max(self._until, now + PROBES.base)
        return True

    def try_half_open(self, *, now: float) -> bool:
        """Allow one probe, if it is time. Only with nothing in flight: the next response is then the probe's.

        A probe that is never sent costs the wait, and nothing else.
        """
        if now < self._until:
            return False
        self._half_open = True
        self._until = now + self._wait
        return True

    def retry_in(self, *, now: float) -> float:
        """Seconds until the next probe, and at least PROBES.base while one is in flight."""
        return max(PROBES.base, self._until - now)
