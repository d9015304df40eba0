"""Whether this worker is to stop. A warm shutdown informs only Celery's parent process; the children must know too."""

import mmap
import os
import signal
import threading
from types import FrameType
from typing import Any

from celery.signals import worker_shutting_down

# One byte, shared with the children, which are forked later.
_stopping = mmap.mmap(-1, 1)


class _Child:
    """A SIGTERM that reaches the child itself: a service manager may signal the whole process group."""

    signalled = False


def stop_requested() -> bool:
    return _stopping[0] == 1 or _Child.signalled


class Busy:
    """Inside it, SIGTERM sets a flag only. At its end, a child that got SIGTERM ends itself, unless its parent is
    stopping and will end it.

    Used for each task separately: Celery's pool replaces a handler that a child sets at its start, by one that ends the
    child at once.
    """

    def __enter__(self) -> None:
        self._handles = threading.current_thread() is threading.main_thread()
        if self._handles:
            self._before = signal.signal(signal.SIGTERM, _child_signalled)

    def __exit__(self, *_: object) -> None:
        if self._handles:
            signal.signal(signal.SIGTERM, self._before)
            if _Child.signalled and not _stopping[0]:
                os.kill(os.getpid(), signal.SIGTERM)


@worker_shutting_down.connect
def _parent_signalled(**_: Any) -> None:
    _stopping[0] = 1


def _child_signalled(_number: int, _frame: FrameType | None) -> None:
    _Child.signalled = True
