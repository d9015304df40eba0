"""Celery's entry to the jobs. Without arguments: what is open stands in the rows."""

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from celery import shared_task
from django.db import connection, connections

from devices.bulk import sql
from devices.bulk.services import jobs_expire, jobs_step, jobs_waiting
from devices.bulk.services.jobs import JOBS_TASK
from devices.services.endpoints import QUEUE
from pushhub.workers.wake import wake, wake_taken

RUN_SECONDS = 4.0  # then whatever else waits on the queue, provisioning above all, has its turn
NICE = 5  # a third of a processor's time, where others want it too: a file may wait, a notification may not
# At once on one host: half of its processors. PostgreSQL, which does as much for a file as we, cannot be made nice.
SLOTS = max(1, (os.cpu_count() or 1) // 2)


@shared_task(name=JOBS_TASK, queue=QUEUE)
def jobs_run() -> None:
    wake_taken(JOBS_TASK)
    if not jobs_waiting():
        return
    # Niceness is a thread's own on Linux, and cannot be taken back: so it ends with the thread.
    with ThreadPoolExecutor(1, initializer=os.setpriority, initargs=(os.PRIO_PROCESS, 0, NICE)) as nice:
        more = nice.submit(_steps, time.monotonic() + RUN_SECONDS).result()
    if more:
        wake(JOBS_TASK, QUEUE)


def _steps(deadline: float) -> bool:
    """False: nothing is left to do, or enough processes of this host are at it."""
    try:
        with connection.cursor() as cursor:
            more = sql.host_slot_take(cursor, host=socket.gethostname(), slots=SLOTS)
            while more and time.monotonic() < deadline:
                more = jobs_step(deadline=deadline)
            sql.host_slot_free(cursor)
    finally:
        connections.close_all()  # this thread's own, and with it the slot, whatever went wrong
    return more


@shared_task(queue="upkeep")
def jobs_upkeep() -> None:
    jobs_expire()
