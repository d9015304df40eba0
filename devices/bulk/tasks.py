"""Celery's tasks of jobs. They have no arguments: the rows say what is open."""

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

RUN_SECONDS = 4.0  # then the other tasks of the queue run, provisioning above all
NICE = 5  # a third of a processor's time where others want it too: a file may wait, a notification may not
# At the same time on one host: half of its processors. PostgreSQL does as much work for a file, and has no niceness.
SLOTS = max(1, (os.cpu_count() or 1) // 2)


@shared_task(name=JOBS_TASK, queue=QUEUE)
def jobs_run() -> None:
    wake_taken(JOBS_TASK)
    if not jobs_waiting():
        return
    # On Linux each thread has its own niceness, which cannot be lowered again: so it ends with the thread.
    with ThreadPoolExecutor(1, initializer=os.setpriority, initargs=(os.PRIO_PROCESS, 0, NICE)) as nice:
        more = nice.submit(steps_run, time.monotonic() + RUN_SECONDS).result()
    if more:
        wake(JOBS_TASK, QUEUE)


def steps_run(deadline: float) -> bool:
    """False: nothing is left to do, or enough processes of this host work on jobs."""
    try:
        with connection.cursor() as cursor:
            more = sql.host_slot_take(cursor, host=socket.gethostname(), slots=SLOTS)
            while more and time.monotonic() < deadline:
                more = jobs_step(deadline=deadline)
            sql.host_slot_free(cursor)
    finally:
        connections.close_all()  # of this thread; this frees the slot after an exception as well
    return more


@shared_task(queue="upkeep")
def jobs_upkeep() -> None:
    jobs_expire()
