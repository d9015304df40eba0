"""Write to the event log. Called inside the transaction of what happened, so that both are stored or neither.

Every function raises ValueError for data that its type does not declare.
"""

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from psycopg.types.json import Jsonb

from events.models import Event
from events.types import PEOPLE, EventType
from pushhub.kernel.database import statement_run
from tenants.models import EndUser, Tenant

_INSERT = """
INSERT INTO events_event (tenant_id, type, subject, data, notice)
VALUES (%(tenant)s, %(type)s, %(subject)s, %(data)s, %(notice)s) RETURNING id
"""
_INSERT_MANY = """
INSERT INTO events_event (tenant_id, type, subject, data, notice)
SELECT %(tenant)s, %(type)s, subject, data, %(notice)s
  FROM json_to_recordset(%(rows)s::json) AS row (subject text, data jsonb)
"""


def event_record(*, tenant: Tenant, type: EventType, subject: str = "", data: dict[str, Any] | None = None) -> Event:
    data = data or {}
    type.check(data)
    values = {"tenant": tenant.id, "type": type.value, "subject": subject, "data": Jsonb(data), "notice": type.notice}
    [(event_id,)] = statement_run(_INSERT, values)
    return Event(id=event_id, tenant=tenant, type=type, subject=subject, data=data, notice=type.notice)


def events_record(*, tenant: Tenant, type: EventType, happened: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Many events of one type, in one statement: (subject, data) each."""
    rows = []
    for subject, data in happened:
        type.check(data)
        rows.append({"subject": subject, "data": data})
    texts = {"type": type.value, "rows": json.dumps(rows, ensure_ascii=False)}
    statement_run(_INSERT_MANY, {"tenant": tenant.id, "notice": type.notice, **texts}, plan_kept=False)


def events_append(*, events: Iterable[Event]) -> None:
    """Events of any tenants, not saved yet; their `notice` is set here."""
    new = list(events)
    for event in new:
        type = EventType(event.type)
        type.check(event.data)
        event.notice = type.notice
    Event.objects.bulk_create(new)


def user_erased_record(user: EndUser) -> None:
    """The erase step: afterwards one event names the person, the one that reports the erasure. It has to, so that
    readers of the log erase the person as well; it is removed when the retention of the log ends."""
    named = Q(*(("data__contains", {name: user.user_id}) for name in PEOPLE), _connector=Q.OR)
    events = Event.objects.filter(named, tenant=user.tenant, data__has_any_keys=list(PEOPLE))
    for event in events.only("data").iterator():
        forgotten = {name: None for name in PEOPLE if event.data.get(name) == user.user_id}
        Event.objects.filter(tenant=user.tenant, id=event.id).update(data=event.data | forgotten)
    event_record(tenant=user.tenant, type=EventType.USER_ERASED, subject=user.user_id)
