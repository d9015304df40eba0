"""Delays a response without occupying a thread: a view sets the earliest moment of its response.

The bridge between server and threads collects that moment and waits for it in the event loop.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class ResponseDelay:
    """`until` is a value of time.monotonic(); 0.0 means no delay."""

    until: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the response still has to wait."""
        return max(0.0, self.until - time.monotonic()) if self.until else 0.0


_delay: ContextVar[ResponseDelay | None] = ContextVar("response_delay", default=None)


@contextmanager
def response_delay() -> Iterator[ResponseDelay]:
    """Collects the delay of the request that is handled inside. The caller waits for it before sending the response."""
    delay = ResponseDelay()
    token = _delay.set(delay)
    try:
        yield delay
    finally:
        _delay.reset(token)


def respond_after(seconds: float) -> None:
    """The response is sent `seconds` from now at the earliest. Outside of `response_delay` this function sleeps."""
    delay = _delay.get()
    if delay is None:
        time.sleep(seconds)
    else:
        delay.until = max(delay.until, time.monotonic() + seconds)
