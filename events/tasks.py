"""The Celery tasks of the event log."""

from celery import shared_task

from events import upkeep

BATCHES = 20


@shared_task(queue="upkeep")
def events_upkeep() -> None:
    """Deletes old events, at most BATCHES batches of them. beat starts the task again."""
    for _ in range(BATCHES):
        if upkeep.events_remove() < upkeep.BATCH:
            return
