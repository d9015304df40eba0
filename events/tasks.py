"""Celery's entry to the event log."""

from celery import shared_task

from events import upkeep

BATCHES = 20


@shared_task(queue="upkeep")
def events_upkeep() -> None:
    """Some batches at most; beat comes back."""
    for _ in range(BATCHES):
        if upkeep.events_remove() < upkeep.BATCH:
            return
