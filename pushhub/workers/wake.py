"""Ask a pool of workers to look for due rows, soon. The rows are the truth: a wake-up may be lost, beat looks anyway.

`wake` only leaves a note for a thread of this process: a broker that is down or hangs never slows or fails a request.
Wake-ups of one task are folded twice: in the process (one note) and across processes (`SET NX PX` in Valkey).
"""

import logging
import os
import threading
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from pushhub.kernel.metrics import Metric, count
from pushhub.workers.brokers import CONFIRM_SECONDS
from pushhub.workers.celery import app

logger = logging.getLogger(__name__)

OUTSTANDING_MS = 5_000  # a wake-up not taken by then is taken for lost
TIMEOUT_SECONDS = 0.5


def wake(task_name: str, queue: str) -> None:
    """Have `task_name` run on `queue`, unless it is about to. Call it after commit. Never raises, never waits."""
    _publisher(os.getpid()).note(task_name, queue)


def wake_taken(task_name: str) -> None:
    """The task calls this before its first claim: whatever becomes due from now on needs a wake-up of its own."""
    try:
        _valkey(os.getpid()).delete(_key(task_name))
    except redis.RedisError as error:
        logger.warning("wake-up not cleared", extra={"task": task_name, "error": type(error).__name__})


def turn_begin(task_name: str, every: float) -> bool:
    """Whether nobody has begun this periodic task within half of its period. Without Valkey nobody knows: yes."""
    try:
        return bool(_valkey(os.getpid()).set(f"pushhub:turn:{task_name}", b"1", nx=True, px=int(every * 500)))
    except redis.RedisError:
        return True


def _key(task_name: str) -> str:
    return f"pushhub:wake:{task_name}"


@cache
def _valkey(pid: int) -> "redis.Redis":
    """One client per process: a connection must not cross a fork."""
    return redis.Redis.from_url(
        settings.CACHE_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


@cache
def _publisher(pid: int) -> "_Publisher":
    return _Publisher()


class _Publisher:
    """A daemon thread that publishes what was noted: at most one note per task waits, however many were left."""

    def __init__(self) -> None:
        self._noted: dict[str, str] = {}
        self._change = threading.Condition()
        threading.Thread(target=self._run, name="wake", daemon=True).start()

    def note(self, task_name: str, queue: str) -> None:
        with self._change:
            self._noted[task_name] = queue
            self._change.notify()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._noted)
                task_name, queue = self._noted.popitem()
            _publish(task_name, queue)


def _publish(task_name: str, queue: str) -> None:
    try:
        if _first(task_name):
            app.send_task(task_name, queue=queue, ignore_result=True, confirm_timeout=CONFIRM_SECONDS)
    except Exception as error:  # the thread must outlive any broker's failure
        count(Metric.WAKE_FAILURES, queue=queue)
        logger.warning("wake-up not published", extra={"task": task_name, "error": type(error).__name__})


def _first(task_name: str) -> bool:
    """Whether no wake-up of it is outstanding. Without Valkey nobody knows: publish, the broker may be another."""
    try:
        return bool(_valkey(os.getpid()).set(_key(task_name), b"1", nx=True, px=OUTSTANDING_MS))
    except redis.RedisError:
        return True
