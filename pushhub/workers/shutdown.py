"""Has this worker been told to stop? A warm shutdown tells only Celery's parent process; the children must know too."""

import mmap
import os
import signal
import threading
from types import FrameType
from typing import Any

from celery.signals import worker_shutting_down

# One byte, shared with the children that are forked later.
_stopping = mmap.mmap(-1, 1)


class _Child:
    """A SIGTERM that reaches the child itself: a service manager may signal the whole group."""

    told = False


def stop_requested() -> bool:
    return _stopping[0] == 1 or _Child.told


class Busy:
    """While in it, SIGTERM only asks. At its end, who was asked and is not seen out by a stopping parent ends itself.

    For each task anew: over what a child sets at its start, Celery's pool puts a handler that ends it at once.
    """

    def __enter__(self) -> None:
        self._handles = threading.current_thread() is threading.main_thread()
        if self._handles:
            self._before = signal.signal(signal.SIGTERM, _child_told)

    def __exit__(self, *_: object) -> None:
        if self._handles:
            signal.signal(signal.SIGTERM, self._before)
            if _Child.told and not _stopping[0]:
                os.kill(os.getpid(), signal.SIGTERM)


@worker_shutting_down.connect
def _parent_told(**_: Any) -> None:
    _stopping[0] = 1


def _child_told(_number: int, _frame: FrameType | None) -> None:
    _Child.told = True
