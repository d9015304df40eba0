"""Write to the event log. Called inside the transaction of what happened, so that neither is without the other."""

from typing import Any

from events.models import Event
from tenants.models import Tenant


def event_record(
    *, tenant: Tenant, type: str, subject: str = "", data: dict[str, Any] | None = None, notice: bool = False
) -> Event:
    return Event.objects.create(tenant=tenant, type=type, subject=subject, data=data or {}, notice=notice)
