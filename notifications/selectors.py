"""Read notifications and what became of them. Nothing here counts delivery rows."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from devices.models import Device
from notifications.counts import percentile
from notifications.models import Delivery, Notification
from notifications.states import DeliveryState
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.ids import uuid7_floor
from tenants.models import Tenant

# One statement, hence one snapshot: between two, upkeep could fold a delta, and it would be missed or counted twice.
TALLY = """
SELECT n.counts, n.delays,
       (SELECT coalesce(jsonb_object_agg(key, total), '{}') FROM (
            SELECT key, sum(value::bigint) AS total
            FROM notifications_countdelta delta, jsonb_each_text(delta.counts)
            WHERE delta.notification_id = n.id GROUP BY key) unfolded),
       (SELECT coalesce(jsonb_object_agg(key, total), '{}') FROM (
            SELECT key, sum(value::bigint) AS total
            FROM notifications_countdelta delta, jsonb_each_text(delta.delays)
            WHERE delta.notification_id = n.id GROUP BY key) unfolded)
FROM notifications_notification n
WHERE n.tenant_id = %s AND n.id = %s
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """`counts` names every delivery state, zeros too; `delay_ms` is accept → accepted, null before the first."""

    counts: Mapping[str, int]
    delay_ms: Mapping[str, int | None]


def notification_get_for_tenant(*, tenant: Tenant, notification_id: UUID) -> Notification:
    """Raises ApiError NOT_FOUND, the same for "not there" and "not yours"."""
    notification = Notification.objects.filter(tenant=tenant, id=notification_id).first()
    if notification is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such notification.")
    return notification


def notification_list(
    *,
    tenant: Tenant,
    state: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> QuerySet[Notification]:
    """Ids carry the time, so the index on (tenant, id) serves both bounds."""
    notifications = Notification.objects.filter(tenant=tenant)
    if state:
        notifications = notifications.filter(state=state)
    if created_after:
        notifications = notifications.filter(id__gte=uuid7_floor(created_after))
    if created_before:
        notifications = notifications.filter(id__lt=uuid7_floor(created_before))
    return notifications


def notification_tally(*, tenant: Tenant, notification_id: UUID) -> Tally:
    """What upkeep has folded plus what it has not yet: right at any moment, whatever the size of the audience."""
    with connection.cursor() as cursor:
        cursor.execute(TALLY, [tenant.id, notification_id])
        counts, delays, new_counts, new_delays = (json.loads(value) for value in cursor.fetchone())
    total = Counter(counts)
    total.update(new_counts)
    histogram = Counter(delays)
    histogram.update(new_delays)
    return Tally(
        counts={state.value: total[state.value] for state in DeliveryState},
        delay_ms={f"p{q}": percentile(histogram, q / 100) for q in (50, 95, 99)},
    )


def delivery_list(*, tenant: Tenant, notification_id: UUID, state: str | None = None) -> QuerySet[Delivery]:
    deliveries = Delivery.objects.filter(tenant=tenant, notification_id=notification_id)
    return deliveries.filter(state=state) if state else deliveries


def deliveries_devices(*, tenant: Tenant, deliveries: Iterable[Delivery]) -> dict[int, Device]:
    """The devices of a page of deliveries by primary key. A join would hide the deliveries of removed devices."""
    keys = {delivery.device_id for delivery in deliveries}
    return {device.pk: device for device in Device.objects.filter(tenant=tenant, pk__in=keys).select_related("user")}
