"""Celery's entry to the jobs. Without arguments: what is open stands in the rows."""

import time

from celery import shared_task

from devices.bulk.services import jobs_expire, jobs_step
from devices.bulk.services.jobs import JOBS_TASK
from devices.services.endpoints import QUEUE
from pushhub.wake import wake, wake_taken

RUN_SECONDS = 4.0  # then whatever else waits on the queue, provisioning above all, has its turn


@shared_task(name=JOBS_TASK, queue=QUEUE)
def jobs_run() -> None:
    wake_taken(JOBS_TASK)
    deadline = time.monotonic() + RUN_SECONDS
    more = True
    while more and time.monotonic() < deadline:
        more = jobs_step(deadline=deadline)
    if more:
        wake(JOBS_TASK, QUEUE)


@shared_task(queue="upkeep")
def jobs_upkeep() -> None:
    jobs_expire()
