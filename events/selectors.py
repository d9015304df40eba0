"""Read the event log."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from events.models import Event
from pushhub.kernel.database import statement_run
from pushhub.kernel.ids import uuid7_floor
from tenants.models import Tenant

# Since when transactions that have written something are running; now, if none is. An event's id is made after its
# transaction began and took its number, by the same clock: none can come any more with an id from before that.
_FINAL_UNTIL = """
SELECT least(statement_timestamp(), (
    SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL))
"""


def event_list(*, tenant: Tenant, type: str = "", after: UUID | None = None) -> QuerySet[Event]:
    """The tenant's events whose places are final, to be walked in the order of their ids: whoever follows the log by id
    is never overtaken by an earlier one. Outside transactions: what ends while the first statement looks must be seen
    by the second."""
    [(final_until,)] = statement_run(_FINAL_UNTIL, {})
    assert isinstance(final_until, datetime)
    events = Event.objects.filter(tenant=tenant, id__lt=uuid7_floor(final_until))
    if type:
        events = events.filter(type=type)
    return events.filter(id__gt=after) if after else events
