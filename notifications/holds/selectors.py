"""Reads of holds, for operators."""

from typing import Final

from django.db.models import QuerySet

from notifications.holds.models import Hold
from notifications.models import Delivery, Lane
from notifications.states import DeliveryState
from tenants.models import Tenant

HELD_CAP: Final = 10_000  # counting all would read the index for a long time


def hold_list_open(*, tenant: Tenant, push_origin: str | None = None) -> QuerySet[Hold]:
    """Open holds, the oldest first."""
    holds = Hold.objects.filter(tenant=tenant, released_at=None).select_related("app").order_by("since")
    return holds.filter(push_origin=push_origin) if push_origin else holds


def hold_of_lane(*, lane: Lane) -> Hold | None:
    """The hold that fills this lane; None for an ordinary one."""
    if not lane.push_origin:
        return None
    holds = Hold.objects.filter(tenant=lane.tenant_id, app=lane.app_id, push_origin=lane.push_origin)
    return holds.filter(drained_at=None).first()


def held_count(*, hold: Hold) -> int:
    """How many deliveries it holds, HELD_CAP at most."""
    lanes = Lane.objects.filter(tenant=hold.tenant_id, app=hold.app_id, push_origin=hold.push_origin)
    held = Delivery.objects.filter(tenant=hold.tenant_id, lane__in=list(lanes), state=DeliveryState.QUEUED)
    return held[:HELD_CAP].count()
