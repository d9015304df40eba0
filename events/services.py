"""Write to the event log. Called inside the transaction of what happened, so that neither is without the other."""

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from psycopg.types.json import Jsonb

from events.models import PEOPLE, Event
from pushhub.kernel.database import statement_run
from tenants.models import EndUser, Tenant

_INSERT = """
INSERT INTO events_event (tenant_id, type, subject, data, notice)
VALUES (%(tenant)s, %(type)s, %(subject)s, %(data)s, %(notice)s) RETURNING id
"""
_INSERT_MANY = """
INSERT INTO events_event (tenant_id, type, subject, data, notice)
SELECT %(tenant)s, %(type)s, subject, data, false
  FROM json_to_recordset(%(rows)s::json) AS row (subject text, data jsonb)
"""


def event_record(
    *, tenant: Tenant, type: str, subject: str = "", data: dict[str, Any] | None = None, notice: bool = False
) -> Event:
    data = data or {}
    values = {"tenant": tenant.id, "type": type, "subject": subject, "data": Jsonb(data), "notice": notice}
    [(event_id,)] = statement_run(_INSERT, values)
    return Event(id=event_id, tenant=tenant, type=type, subject=subject, data=data, notice=notice)


def events_record(*, tenant: Tenant, type: str, happened: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Many of one type, in one statement: (subject, data) each."""
    rows = [{"subject": subject, "data": data} for subject, data in happened]
    values = {"tenant": tenant.id, "type": type, "rows": json.dumps(rows, ensure_ascii=False)}
    statement_run(_INSERT_MANY, values, plan_kept=False)


def user_erased_record(user: EndUser) -> None:
    """The erase step: no event names the person any more, but the one that says the erasure was done. That one must,
    for whoever follows the log to forget them too; it goes with the log's retention."""
    named = Q(*(("data__contains", {name: user.user_id}) for name in PEOPLE), _connector=Q.OR)
    events = Event.objects.filter(named, tenant=user.tenant, data__has_any_keys=list(PEOPLE))
    for event in events.only("data").iterator():
        forgotten = {name: None for name in PEOPLE if event.data.get(name) == user.user_id}
        Event.objects.filter(tenant=user.tenant, id=event.id).update(data=event.data | forgotten)
    event_record(tenant=user.tenant, type="user.erased", subject=user.user_id)
