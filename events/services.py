"""Write to the event log. Called inside the transaction of what happened, so that neither is without the other."""

from typing import Any

from events.models import Event
from tenants.models import EndUser, Tenant


def event_record(
    *, tenant: Tenant, type: str, subject: str = "", data: dict[str, Any] | None = None, notice: bool = False
) -> Event:
    return Event.objects.create(tenant=tenant, type=type, subject=subject, data=data or {}, notice=notice)


def user_erased_record(user: EndUser) -> None:
    """An erase step: the log says that it was done, and to which of the tenant's ids."""
    event_record(tenant=user.tenant, type="user.erased", subject=user.user_id)
