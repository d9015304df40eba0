"""Celery's entries to the registry. They carry no arguments: what is due stands in the rows."""

import time

from celery import shared_task

from devices import callbacks, upkeep, verification
from devices.bulk import tasks as bulk_tasks  # noqa: F401  Celery finds tasks in an app's own module only
from devices.provisioning import provision
from devices.services.apps import VERIFY_TASK
from devices.services.endpoints import PROVISION_TASK, QUEUE
from pushhub.workers.wake import wake, wake_taken

RUN_SECONDS = 8.0


@shared_task(name=PROVISION_TASK, queue=QUEUE)
def provision_run() -> None:
    """Bounded: far below any broker's visibility timeout. Wakes its successor while more is due."""
    wake_taken(PROVISION_TASK)
    if provision.provision_until(deadline=time.monotonic() + RUN_SECONDS):
        wake(PROVISION_TASK, QUEUE)


@shared_task(name=VERIFY_TASK, queue=QUEUE)
def apps_verify() -> None:
    wake_taken(VERIFY_TASK)
    if verification.apps_verify_step() == verification.BATCH:
        wake(VERIFY_TASK, QUEUE)


@shared_task(name=callbacks.CONFIRM_TASK, queue=QUEUE)
def subscriptions_confirm() -> None:
    wake_taken(callbacks.CONFIRM_TASK)
    callbacks.subscriptions_confirm_step()


@shared_task(queue="upkeep")
def devices_upkeep() -> None:
    """A batch of each; beat comes back."""
    upkeep.devices_retire_unseen()
    upkeep.tombstones_remove()
    upkeep.receipts_remove()
    upkeep.vapid_keys_retire()
