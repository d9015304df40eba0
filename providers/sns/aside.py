"""A call that may hang, made in a thread beside the caller: whoever sends for all tenants cannot wait for one's AWS."""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Event, Lock, Thread
from typing import Final, Generic, TypeVar

T = TypeVar("T")

FAILED_FOR: Final = 30.0  # seconds an end is remembered, so that a broken role costs one call and not one per push
PATIENCE: Final = 1.0  # seconds a caller waits, as long as AWS answers: most calls take a tenth of that

# Somebody waited in vain, and no call has been quick since: nobody waits then, or each app's call would cost a second.
_slow = Event()


class StillAsking(Exception):
    """The call is under way; its answer is kept for whoever asks later."""


class Aside(Generic[T]):
    """One call at a time (single flight), shared by threads; its answer or failure counts for FAILED_FOR."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._lock = Lock()
        self._future: Future[T] | None = None
        self._ended = 0.0

    def start(self) -> Future[T]:
        """The call under way or just ended, else a new one."""
        with self._lock:
            if self._future is None or (self._future.done() and time.monotonic() > self._ended + FAILED_FOR):
                self._future = Future()
                Thread(target=self._run, args=(self._future,), name="aws", daemon=True).start()
            return self._future

    def result(self) -> T:
        """What the call answers or raises. Raises StillAsking."""
        future = self.start()
        wait([future], timeout=0 if _slow.is_set() else PATIENCE)
        if not future.done():
            _slow.set()
            raise StillAsking
        return future.result()

    def _run(self, future: Future[T]) -> None:
        begin = time.monotonic()
        try:
            answer = self._call()
        except BaseException as error:  # raised where it was asked for
            self._ended = time.monotonic()
            future.set_exception(error)
        else:
            self._ended = time.monotonic()
            future.set_result(answer)
        if self._ended - begin < PATIENCE:
            _slow.clear()
