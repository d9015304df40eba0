"""Old events are deleted."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from events.models import Event
from pushhub.kernel.ids import uuid7_floor

BATCH = 5_000


def events_remove() -> int:
    """Delete one batch of the events older than PUSHHUB_EVENT_RETENTION_DAYS, those that report an erasure included.
    How many; fewer than BATCH: no more are due."""
    before = uuid7_floor(timezone.now() - timedelta(days=settings.PUSHHUB_EVENT_RETENTION_DAYS))
    ids = list(Event.objects.filter(id__lt=before).order_by("id").values_list("id", flat=True)[:BATCH])
    Event.objects.filter(id__in=ids).delete()
    return len(ids)
