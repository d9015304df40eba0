"""Read the event log."""

from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from events.models import Event
from pushhub.ids import uuid7_floor
from tenants.models import Tenant

# Ids are made before the commit: an event shows when its transaction, a short one here, is surely over. So whoever
# follows the log by id is never overtaken by an earlier id.
SETTLE = timedelta(seconds=2)


def event_list(*, tenant: Tenant, type: str = "", after: UUID | None = None) -> QuerySet[Event]:
    """The tenant's events, to be walked in the order of their ids."""
    events = Event.objects.filter(tenant=tenant, id__lt=uuid7_floor(timezone.now() - SETTLE))
    if type:
        events = events.filter(type=type)
    return events.filter(id__gt=after) if after else events
