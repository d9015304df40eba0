"""Whether a host is worth asking. After failures of several devices in a row it is asked by one request at a time.

Each process judges for itself: an outage shows itself to all of them within seconds, and nothing has to be agreed upon.
"""

from typing import Final

from pushhub.kernel.backoff import Backoff

DEVICES: Final = 5  # in a row without an answer, or with a 5xx: one device's trouble says nothing about its host
PROBES: Final = Backoff(base=1.0, cap=60.0)  # until the first probe; doubled with every probe that fails
ASKED_LONGEST: Final = 300.0  # seconds of a Retry-After that are believed


class CircuitBreaker:
    """One host's. Closed: everything goes out. Open: nothing, but for a probe whenever its time has come.

    Times are monotonic seconds. `suspects` are the devices whose failures opened it, or are about to.
    """

    __slots__ = ("_probing", "_until", "_wait", "suspects")

    def __init__(self) -> None:
        self.suspects: set[int] = set()
        self._wait = 0.0
        self._until = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        return self._wait > 0.0

    def answered(self) -> None:
        """Any answer that is not the server's own failure: it is there."""
        if self.suspects:
            self.suspects.clear()
            self._wait = self._until = 0.0
            self._probing = False

    def failed(self, device_id: int, *, now: float, asked: float | None = None) -> bool:
        """No answer, or a 5xx, with the seconds its Retry-After asked for. Whether the breaker has opened by this."""
        pause = min(asked or 0.0, ASKED_LONGEST)
        if self.is_open:
            if self._probing:
                self._probing = False
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

    def probe_begin(self, *, now: float) -> bool:
        """Let one request go out, if it is time. Only with none under way: the answer that comes next is the probe's.

        A probe that comes to nothing costs the wait, and no more.
        """
        if now < self._until:
            return False
        self._probing = True
        self._until = now + self._wait
        return True

    def wait(self, *, now: float) -> float:
        """Seconds until the next probe, and somewhat more: a little patience while one is under way."""
        return max(PROBES.base, self._until - now)
