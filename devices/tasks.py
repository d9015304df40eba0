"""Celery's tasks of devices. They have no arguments: the rows say what is due."""

from celery import shared_task

from devices import upkeep
from devices.bulk import tasks as bulk_tasks  # noqa: F401  Celery finds tasks in an app's own module only
from devices.callbacks import CONFIRM_TASK, CONFIRMATION
from devices.provisioning.provision import PROVISIONING
from devices.services.apps import VERIFY_TASK
from devices.services.endpoints import PROVISION_TASK, QUEUE
from devices.verification import VERIFICATION

RUN_SECONDS = 8.0  # far below any broker's visibility timeout


@shared_task(name=PROVISION_TASK, queue=QUEUE)
def provision_run() -> None:
    PROVISIONING.run_task(PROVISION_TASK, QUEUE, seconds=RUN_SECONDS)


@shared_task(name=VERIFY_TASK, queue=QUEUE)
def apps_verify() -> None:
    VERIFICATION.run_task(VERIFY_TASK, QUEUE, seconds=RUN_SECONDS)


@shared_task(name=CONFIRM_TASK, queue=QUEUE)
def subscriptions_confirm() -> None:
    CONFIRMATION.run_task(CONFIRM_TASK, QUEUE, seconds=RUN_SECONDS)


@shared_task(queue="upkeep")
def devices_upkeep() -> None:
    """One batch of each; beat starts the next."""
    upkeep.devices_retire_unseen()
    upkeep.tombstones_remove()
    upkeep.receipts_remove()
    upkeep.vapid_keys_retire()
