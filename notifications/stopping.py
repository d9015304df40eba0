"""Has this worker been told to stop? A warm shutdown tells only Celery's parent process; the children must know too."""

import mmap
import os
import signal
import sys
from types import FrameType
from typing import Any

from celery.signals import worker_process_init, worker_shutting_down

# One byte, shared with the children that are forked later.
_stopping = mmap.mmap(-1, 1)


class _Child:
    """A SIGTERM that reaches the child itself (a service manager signals the whole group): end after the task."""

    busy = False
    told = False


def stop_requested() -> bool:
    return _stopping[0] == 1 or _Child.told


class Busy:
    """While in it, SIGTERM only asks; at its end, a process that was asked ends."""

    def __enter__(self) -> None:
        _Child.busy = True

    def __exit__(self, *_: object) -> None:
        _Child.busy = False
        if _Child.told:
            sys.exit(0)


@worker_shutting_down.connect
def _parent_told(**_: Any) -> None:
    _stopping[0] = 1


@worker_process_init.connect
def _child_begin(**_: Any) -> None:
    signal.signal(signal.SIGTERM, _child_told)


def _child_told(number: int, _frame: FrameType | None) -> None:
    _Child.told = True
    if not _Child.busy:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
