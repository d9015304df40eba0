"""Read notifications and what became of them. No statement here reads a number of delivery rows that grows with the
audience."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from devices.models import Device
from notifications.counts import percentile
from notifications.explain import Explanation, explain, obstacle_find
from notifications.holds.selectors import hold_of_lane
from notifications.models import Delivery, Lane, Notification
from notifications.states import FAILED, DeliveryState
from providers.base import Provider
from providers.registry import provider_get
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.ids import uuid7_floor
from tenants.models import Tenant

FAILURES_READ: Final = 200  # deliveries of each failed state
FAILURES_SHOWN: Final = 3  # reasons of each failed state

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


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason of deliveries that failed. `deliveries` is their number among the newest FAILURES_READ of the state."""

    state: str
    reason: str
    deliveries: int
    explanation: Explanation


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


def deliveries_explain(
    *, tenant: Tenant, deliveries: Sequence[Delivery], devices: Mapping[int, Device]
) -> dict[UUID, Explanation]:
    """Why each delivery of a page is in its state, by id. `devices` are those of `deliveries_devices`."""
    now = timezone.now()
    lanes = _lanes(tenant, {delivery.lane_id for delivery in deliveries})
    holds = {lane.pk: hold_of_lane(lane=lane) for lane in lanes.values() if lane.push_origin}
    expiries = _expiries(tenant, deliveries)
    return {
        delivery.id: explain(
            state=delivery.state,
            reason=delivery.reason,
            now=now,
            provider=_provider(lanes.get(delivery.lane_id)),
            attempts=delivery.attempt,
            due_at=delivery.due_at,
            expires_at=expiries.get(delivery.notification_id),
            obstacle=obstacle_find(
                delivery=delivery,
                device=devices.get(delivery.device_id),
                lane=lanes.get(delivery.lane_id),
                hold=holds.get(delivery.lane_id),
                now=now,
            ),
        )
        for delivery in deliveries
    }


def notification_failures(*, tenant: Tenant, notification: Notification, tally: Tally) -> list[Failure]:
    """The most frequent reasons of its deliveries that failed, FAILURES_SHOWN for each state.

    Reads the newest FAILURES_READ rows of each state in which there are any, from the index `delivery_failed`.
    """
    rows = _failed_rows(tenant, notification, [state for state in FAILED if tally.counts[state]])
    lanes, now = _lanes(tenant, {lane_id for _, _, lane_id in rows}), timezone.now()
    counted: defaultdict[str, Counter[tuple[str, Provider | None]]] = defaultdict(Counter)
    for state, reason, lane_id in rows:
        counted[state][reason, _provider(lanes.get(lane_id))] += 1
    return [
        Failure(
            state=state,
            reason=reason,
            deliveries=number,
            explanation=explain(
                state=state, reason=reason, now=now, provider=provider, expires_at=notification.expires_at
            ),
        )
        for state, reasons in counted.items()
        for (reason, provider), number in reasons.most_common(FAILURES_SHOWN)
    ]


def _failed_rows(
    tenant: Tenant, notification: Notification, states: Sequence[DeliveryState]
) -> list[tuple[str, str, int]]:
    """(state, reason, lane) of the newest deliveries in each state, in one statement."""
    looks = [
        delivery_list(tenant=tenant, notification_id=notification.id, state=state)
        .order_by("-id")
        .values_list("state", "reason", "lane_id")[:FAILURES_READ]
        for state in states
    ]
    return list(looks[0].union(*looks[1:], all=True)) if looks else []


def _expiries(tenant: Tenant, deliveries: Sequence[Delivery]) -> dict[UUID, datetime]:
    """When the notifications of the expired deliveries expired."""
    ids = {delivery.notification_id for delivery in deliveries if delivery.state == DeliveryState.EXPIRED}
    if not ids:
        return {}
    return dict(Notification.objects.filter(tenant=tenant, id__in=ids).values_list("id", "expires_at"))


def _lanes(tenant: Tenant, keys: Collection[int]) -> dict[int, Lane]:
    return Lane.objects.filter(tenant=tenant).select_related("app").in_bulk(keys) if keys else {}


def _provider(lane: Lane | None) -> Provider | None:
    """None for a lane that was deleted with its app."""
    return provider_get(lane.app.provider) if lane else None
