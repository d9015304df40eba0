"""When an answer may leave: whoever must not be heard before a moment says so, and holds up nobody else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Hold:
    """`until`: of time.monotonic(); 0.0 when the answer may leave at once."""

    until: float = 0.0

    def wait(self) -> None:
        time.sleep(max(0.0, self.until - time.monotonic()))


_hold: ContextVar[Hold | None] = ContextVar("hold", default=None)


@contextmanager
def answer_held() -> Iterator[Hold]:
    """What happens inside answers a request whose sender somebody else will keep waiting."""
    hold = Hold()
    token = _hold.set(hold)
    try:
        yield hold
    finally:
        _hold.reset(token)


def answer_after(seconds: float) -> None:
    """The answer leaves in so many seconds at the earliest. Where nobody keeps it, they are waited out here."""
    hold = _hold.get()
    if hold is None:
        time.sleep(seconds)
    else:
        hold.until = max(hold.until, time.monotonic() + seconds)
