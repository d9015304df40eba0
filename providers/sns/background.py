"""A call that may hang, made in a background thread: a process that sends for all tenants cannot wait for one's AWS."""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Event, Lock, Thread
from typing import Final, Generic, TypeVar

T = TypeVar("T")

KEPT_SECONDS: Final = 30.0  # a result is reused for so long, so that a broken role costs one call and not one per push
WAIT_SECONDS: Final = 1.0  # a caller waits so long, while AWS is quick: most calls take a tenth of that

# A caller waited in vain, and no call has been quick since: no caller waits then, or each app's call would cost a
# second.
is_slow = Event()


class StillRunning(Exception):
    """The call has not ended; a later caller gets its result."""


class BackgroundCall(Generic[T]):
    """One call at a time (single flight), shared by threads. Its result or failure is reused for KEPT_SECONDS."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._lock = Lock()
        self._future: Future[T] | None = None
        self._ended = 0.0

    def start(self) -> Future[T]:
        """The call that is running or has just ended, else a new one."""
        with self._lock:
            if self._future is None or (self._future.done() and time.monotonic() > self._ended + KEPT_SECONDS):
                self._future = Future()
                Thread(target=self._run, args=(self._future,), name="aws", daemon=True).start()
            return self._future

    def result(self) -> T:
        """What the call returns or raises. Raises StillRunning."""
        future = self.start()
        wait([future], timeout=0 if is_slow.is_set() else WAIT_SECONDS)
        if not future.done():
            is_slow.set()
            raise StillRunning
        return future.result()

    def _run(self, future: Future[T]) -> None:
        begin = time.monotonic()
        try:
            reply = self._call()
        except BaseException as error:  # raised in the thread that asked
            self._ended = time.monotonic()
            future.set_exception(error)
        else:
            self._ended = time.monotonic()
            future.set_result(reply)
        if self._ended - begin < WAIT_SECONDS:
            is_slow.clear()
