"""Read the event log."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from events.models import Event
from pushhub.kernel.database import statement_run
from pushhub.kernel.ids import uuid7_floor
from tenants.models import Tenant

# The start of the oldest open transaction that has written something; now, if there is none. The id of an event is made
# after its transaction began and has its number, by the same clock: no event with an earlier id can be added any more.
_FINAL_UNTIL = """
SELECT least(statement_timestamp(), (
    SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL))
"""


def event_list(*, tenant: Tenant, type: str = "", after: UUID | None = None) -> QuerySet[Event]:
    """The tenant's events whose places are final, to be read in the order of their ids: no event with an earlier id is
    added later. Call it outside of transactions: the second statement must see what ended during the first one."""
    [(final_until,)] = statement_run(_FINAL_UNTIL, {})
    assert isinstance(final_until, datetime)
    events = Event.objects.filter(tenant=tenant, id__lt=uuid7_floor(final_until))
    if type:
        events = events.filter(type=type)
    return events.filter(id__gt=after) if after else events
