"""Celery's tasks of avatars. They have no arguments: the rows say what is due."""

import time

from celery import shared_task

from avatars import upkeep
from avatars.api import callbacks
from avatars.services.objects import QUEUE, SWEEP_TASK
from avatars.services.transitions import WORKFLOW_TASK
from avatars.workflow.saga import WORKFLOW
from pushhub.workers.wake import wake, wake_taken

RUN_SECONDS = 8.0
HARD_LIMIT = 300  # seconds; far above any lease


@shared_task(name=WORKFLOW_TASK, queue=QUEUE, time_limit=HARD_LIMIT)
def workflow_run() -> None:
    """Steps for some seconds. The first step that is found wakes another process to help; so do steps that are left."""
    wake_taken(WORKFLOW_TASK)
    deadline = time.monotonic() + RUN_SECONDS
    if not WORKFLOW.step():
        return
    wake(WORKFLOW_TASK, QUEUE)
    if WORKFLOW.run_until(deadline):
        upkeep.sweep_step()  # with many uploads the sweep's own task waits long in the queue
        wake(WORKFLOW_TASK, QUEUE)


@shared_task(name=SWEEP_TASK, queue=QUEUE, time_limit=HARD_LIMIT)
def sweep_run() -> None:
    wake_taken(SWEEP_TASK)
    if upkeep.sweep_step() == upkeep.BATCH:
        wake(SWEEP_TASK, QUEUE)


@shared_task(name=callbacks.CONFIRM_TASK, queue=QUEUE, time_limit=HARD_LIMIT)
def subscriptions_confirm() -> None:
    callbacks.CONFIRMATION.run_task(callbacks.CONFIRM_TASK, QUEUE, seconds=RUN_SECONDS)


@shared_task(queue=QUEUE, time_limit=HARD_LIMIT)
def avatars_upkeep() -> None:
    """One batch of each; beat starts the next."""
    upkeep.uploads_expire()
    upkeep.deleted_purge()
    upkeep.leftovers_delete()
