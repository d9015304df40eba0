"""The tasks of notifications. A task works on the rows that are due when it runs: a lost task loses nothing.

Tasks are acknowledged before they run, Celery's default: a repeated task would find nothing that beat does not find.
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

HARD_LIMIT = 300  # seconds; much longer than any lease


@shared_task(name=Pool.DISPATCH.task, ignore_result=True, time_limit=HARD_LIMIT)
def dispatch() -> None:
    """Deliver for some seconds; wake the next task while more is due."""
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
    """One per process: connections and caches of keys are kept between tasks, and are never shared across a fork."""
    return Dispatcher(gate=HoldGate())
