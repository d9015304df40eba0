"""Accept, cancel and redrive notifications."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from notifications.counts import CountDeltas, notifications_reopen
from notifications.drafts import NotificationDraft
from notifications.expansion.audience import audience_count
from notifications.expansion.expand import expansion_begin
from notifications.links import link_check
from notifications.models import Lane, LaneWakeup, Notification
from notifications.preview import payloads_check, payloads_render
from notifications.selectors import notification_get_for_tenant
from notifications.states import DeliveryState, NotificationState
from notifications.wake import Pool, wake
from pushhub.kernel.database import database_now
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.metrics import Metric, count
from tenants.models import Tenant

REDRIVE_CHUNK = 10_000

# The dead deliveries of one notification, by the index delivery_failed; a redrive at the same time takes others.
REDRIVE = """
WITH dead AS (
    SELECT id FROM notifications_delivery
    WHERE tenant_id = %(tenant)s AND notification_id = %(notification)s AND state = 'dead'
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE notifications_delivery delivery
SET state = 'queued', due_at = now(), attempt = 0, lost_leases = 0, lease = NULL, lease_expires_at = NULL, reason = ''
FROM dead
WHERE delivery.id = dead.id AND delivery.notification_id = %(notification)s AND delivery.state = 'dead'
RETURNING delivery.lane_id
"""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a real request would send, and to how many devices."""

    audience: int
    payloads: list[dict[str, Any]]


def notification_create(*, tenant: Tenant, data: NotificationDraft) -> Notification:
    """Store it and, for a small audience that is due, its deliveries: in one statement.

    Raises ApiError PAYLOAD_TOO_LARGE, LINK_REFUSED.
    """
    link_check(tenant=tenant, content=data.content)
    notification = data.build(tenant=tenant, now=database_now())
    payloads_check(tenant=tenant, notification=notification)
    expansion_begin(notification=notification)
    count(Metric.NOTIFICATIONS_ACCEPTED)
    return notification


def notification_dry_run(*, tenant: Tenant, data: NotificationDraft) -> DryRun:
    """Check and render it, store nothing. Raises ApiError PAYLOAD_TOO_LARGE, LINK_REFUSED."""
    link_check(tenant=tenant, content=data.content)
    notification = data.build(tenant=tenant, now=database_now())
    payloads_check(tenant=tenant, notification=notification)
    return DryRun(
        audience=audience_count(tenant=tenant, to=notification.to),
        payloads=payloads_render(tenant=tenant, notification=notification),
    )


def notification_cancel(*, tenant: Tenant, notification_id: UUID) -> Notification:
    """Cancel the deliveries that are not sent; they become `cancelled` soon after. Repeating it changes nothing.

    Raises ApiError NOT_FOUND, CONFLICT when it is completed: nothing is left to cancel.
    """
    with transaction.atomic():
        notification = _locked(tenant, notification_id)
        if notification.state == NotificationState.COMPLETED:
            raise ApiError(ErrorCode.CONFLICT, detail="The notification is completed: nothing is left to cancel.")
        if notification.state != NotificationState.CANCELLED:
            notification.state = NotificationState.CANCELLED
            notification.cancelled_at = database_now()
            if notification.expansion_due_at is not None:
                # The expansion closes it at once, whatever send_at was.
                notification.expansion_due_at = notification.cancelled_at
                wake(Pool.EXPAND)
            notification.save(update_fields=["state", "cancelled_at", "expansion_due_at"])
            wake(Pool.DISPATCH)
    return notification


def notification_redrive(*, tenant: Tenant, notification_id: UUID) -> int:
    """Queue its dead deliveries again, each with all its retries again; at most REDRIVE_CHUNK. Returns how many.

    Raises ApiError NOT_FOUND, CONFLICT when it has expired or was cancelled.
    """
    with transaction.atomic():
        notification = _locked(tenant, notification_id)
        _redrivable(notification)
        lanes = _dead_queue(notification)
        if lanes:
            _reopen(notification, lanes)
            wake(Pool.DISPATCH)
    return len(lanes)


def lane_pause(*, tenant: Tenant, lane_id: int, reason: str) -> None:
    """No delivery of this lane is claimed until it is resumed. Claimed deliveries are still sent."""
    Lane.objects.filter(tenant=tenant, id=lane_id, paused_at=None).update(paused_at=Now(), paused_reason=reason[:200])


def lane_resume(*, tenant: Tenant, lane_id: int) -> None:
    """Raises ApiError CONFLICT for a hold's lane."""
    if Lane.objects.filter(tenant=tenant, id=lane_id).exclude(push_origin="").exists():
        raise ApiError(ErrorCode.CONFLICT, detail="The lane belongs to a hold: release the hold.")
    Lane.objects.filter(tenant=tenant, id=lane_id).update(paused_at=None, paused_reason="")
    wake(Pool.DISPATCH)


def _locked(tenant: Tenant, notification_id: UUID) -> Notification:
    notification_get_for_tenant(tenant=tenant, notification_id=notification_id)
    return Notification.objects.select_for_update(no_key=True).get(tenant=tenant, id=notification_id)


def _redrivable(notification: Notification) -> None:
    if notification.state == NotificationState.CANCELLED:
        raise ApiError(ErrorCode.CONFLICT, detail="The notification was cancelled: send a new one.")
    if notification.expires_at <= database_now():
        expiry = f"{notification.expires_at:%Y-%m-%dT%H:%M:%SZ}"
        raise ApiError(ErrorCode.CONFLICT, detail=f"The notification expired at {expiry}: send a new one.")


def _dead_queue(notification: Notification) -> list[int]:
    """The lanes of the deliveries queued again, one entry for each delivery."""
    with connection.cursor() as cursor:
        cursor.execute(
            REDRIVE, {"tenant": notification.tenant_id, "notification": notification.id, "limit": REDRIVE_CHUNK}
        )
        return [lane_id for (lane_id,) in cursor.fetchall()]


def _reopen(notification: Notification, lanes: list[int]) -> None:
    """Append the delta, wake the lanes, and let upkeep complete the notification once more."""
    deltas = CountDeltas()
    deltas.move(notification.id, DeliveryState.DEAD, DeliveryState.QUEUED, number=len(lanes))
    deltas.append()
    LaneWakeup.objects.bulk_create(LaneWakeup(lane_id=lane_id, due_at=Now()) for lane_id in set(lanes))
    notifications_reopen(ids=[notification.id])
