"""Celery carries wake-ups and executes: a task is a turn at the rows, losing one loses nothing.

Acknowledged before they run, as is the default: a repeat would find nothing that beat does not find.
"""

import os
from functools import cache

from celery import shared_task
from django.conf import settings

from notifications.engine.dispatcher import Dispatcher
from notifications.holds.gate import HoldGate
from notifications.upkeep import ticks
from notifications.wake import Pool, wake, wake_begin
from pushhub.workers.shutdown import Busy, stop_requested

HARD_LIMIT = 300  # seconds; far above any lease


@shared_task(name=Pool.DISPATCH.task, ignore_result=True, time_limit=HARD_LIMIT)
def dispatch() -> None:
    """A turn of delivering; rings again while more is due."""
    wake_begin(Pool.DISPATCH)
    with Busy():
        if _dispatcher(os.getpid()).run(seconds=settings.PUSHHUB_TURN_SECONDS, stopping=stop_requested):
            wake()


@shared_task(name=Pool.EXPAND.task, ignore_result=True, time_limit=HARD_LIMIT)
def expand() -> None:
    wake_begin(Pool.EXPAND)
    ticks.expand(seconds=settings.PUSHHUB_TURN_SECONDS, stopping=stop_requested)


@shared_task(ignore_result=True, time_limit=HARD_LIMIT)
def second() -> None:
    ticks.second()


@shared_task(ignore_result=True, time_limit=HARD_LIMIT)
def minutes() -> None:
    ticks.minutes()


@cache
def _dispatcher(pid: int) -> Dispatcher:
    """One per process: connections and crypto caches live on between tasks, and never cross a fork."""
    return Dispatcher(gate=HoldGate())
