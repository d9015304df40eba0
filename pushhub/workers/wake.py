"""Wakes a pool of workers, so that they look for due rows soon. The rows are the truth: a wake-up may be lost, because
beat starts the same task anyway.

`wake` only passes the task's name to a thread of this process: a broker that is down or hangs never slows or fails a
request. Repeated wake-ups of one task become one: in the process, and across processes (`SET NX PX` in Valkey).
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

OUTSTANDING_MS = 5_000  # after this time a wake-up that no worker has taken counts as lost
TIMEOUT_SECONDS = 0.5


def wake(task_name: str, queue: str) -> None:
    """Publishes `task_name` to `queue`, unless a wake-up of it is outstanding. Call it after commit. Never raises and
    never waits."""
    _publisher(os.getpid()).request(task_name, queue)


def wake_taken(task_name: str) -> None:
    """A task calls this before its first claim: rows that become due later need a new wake-up."""
    try:
        valkey(os.getpid()).delete(_key(task_name))
    except redis.RedisError as error:
        logger.warning("wake-up not cleared", extra={"task": task_name, "error": type(error).__name__})


def periodic_run_begin(task_name: str, every: float) -> bool:
    """True if no worker has started this periodic task within half of its interval (`every`, seconds). Also True if
    Valkey is unavailable: a run too many is harmless."""
    try:
        return bool(valkey(os.getpid()).set(f"pushhub:periodic:{task_name}", b"1", nx=True, px=int(every * 500)))
    except redis.RedisError:
        return True


def _key(task_name: str) -> str:
    return f"pushhub:wake:{task_name}"


@cache
def valkey(pid: int) -> "redis.Redis":
    """One client per process: a connection must not be used on both sides of a fork."""
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
    """A daemon thread that publishes the requested tasks. Several requests of one task become one."""

    def __init__(self) -> None:
        self._requested: dict[str, str] = {}  # queue by task name
        self._change = threading.Condition()
        threading.Thread(target=self._run, name="wake", daemon=True).start()

    def request(self, task_name: str, queue: str) -> None:
        with self._change:
            self._requested[task_name] = queue
            self._change.notify()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._requested)
                task_name, queue = self._requested.popitem()
            _publish(task_name, queue)


def _publish(task_name: str, queue: str) -> None:
    try:
        if _mark_outstanding(task_name):
            app.send_task(task_name, queue=queue, ignore_result=True, confirm_timeout=CONFIRM_SECONDS)
    except Exception as error:  # the thread must survive every failure of a broker
        count(Metric.WAKE_FAILURES, queue=queue)
        logger.warning("wake-up not published", extra={"task": task_name, "error": type(error).__name__})


def _mark_outstanding(task_name: str) -> bool:
    """False if a wake-up of the task is already outstanding. True if Valkey is unavailable: the broker may be another
    server, so the wake-up is published."""
    try:
        return bool(valkey(os.getpid()).set(_key(task_name), b"1", nx=True, px=OUTSTANDING_MS))
    except redis.RedisError:
        return True
