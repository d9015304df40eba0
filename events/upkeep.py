"""What time does to events: the log has an end."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from events.models import Event
from pushhub.kernel.ids import uuid7_floor

BATCH = 5_000


def events_remove() -> int:
    """Forget one batch of what is older than PUSHHUB_EVENT_RETENTION_DAYS, whom an erasure was of included. How many;
    fewer than BATCH = no more for now."""
    before = uuid7_floor(timezone.now() - timedelta(days=settings.PUSHHUB_EVENT_RETENTION_DAYS))
    ids = list(Event.objects.filter(id__lt=before).order_by("id").values_list("id", flat=True)[:BATCH])
    Event.objects.filter(id__in=ids).delete()
    return len(ids)
