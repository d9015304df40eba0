"""Claim what is due in a lane, as much as its rate limits grant, and decide which deliveries may be sent at all."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID, uuid4

from devices.models import EndpointState
from notifications.engine import sql
from notifications.engine.lanes import lane_close, lane_rate_limit
from notifications.engine.rate_limits import lane_rate_limits, rate_limits_acquire, rate_limits_release
from notifications.engine.session import execute
from notifications.engine.types import (
    Claimed,
    ClaimedDelivery,
    ClaimRow,
    NotificationSnapshot,
    PickedLane,
    Settlement,
)
from notifications.reasons import DeliveryReason
from notifications.states import DeliveryState, SuspectKind

PENDING_WAIT: Final = (1.0, 60.0)  # seconds until a delivery is claimed again to see whether its endpoint is ready


def lane_claim(*, lane: PickedLane, limit: int, lease_seconds: float, send_seconds: float) -> Claimed:
    """Claim what the picked lane's rate limits grant; delay or close the lane if that is less than `limit`."""
    rate_limits = lane_rate_limits(lane)
    grant = rate_limits_acquire(rate_limits, wanted=limit)
    claimed = Claimed([], [], 0.0)
    if grant.tokens:
        claimed = claim(lane=lane, limit=grant.tokens, lease_seconds=lease_seconds, send_seconds=send_seconds)
        rate_limits_release(rate_limits, tokens=grant.tokens - len(claimed.deliveries))
    if claimed.count < grant.tokens:
        lane_close(lane_id=lane.id, unused=limit - claimed.count)
    elif grant.tokens < limit:
        lane_rate_limit(lane_id=lane.id, seconds=grant.wait, unused=limit - grant.tokens)
        claimed.rate_limited = True
    return claimed


def deliveries_unsent(deliveries: Sequence[ClaimedDelivery]) -> None:
    """Claimed deliveries go back without having been sent: return their rate limit tokens."""
    lanes = {delivery.lane.id: delivery.lane for delivery in deliveries}
    for lane_id, tokens in Counter(delivery.lane.id for delivery in deliveries).items():
        rate_limits_release(lane_rate_limits(lanes[lane_id]), tokens=tokens)


def claim(*, lane: PickedLane, limit: int, lease_seconds: float, send_seconds: float) -> Claimed:
    """Claim the lane's oldest due deliveries: they are SENDING, under one lease. Those that must not be sent have their
    settlement already."""
    lease = uuid4()
    # Read before the statement, so that the local deadline is too early rather than too late.
    deadline = time.monotonic() + lease_seconds - send_seconds
    start = lane.cursor.start()
    parameters = {"lane": lane.id, "start": start, "limit": limit, "lease": lease, "seconds": lease_seconds}
    rows = [ClaimRow._make(row) for row in execute(sql.CLAIM, parameters)]
    lane.cursor.advance(rows[0].last_due_at if len(rows) == limit else None)
    snapshots, now = _snapshots({row.notification_id for row in rows})
    claimed = Claimed([], [], now)
    for row in rows:
        delivery = _delivery(row, lane=lane, lease=lease, deadline=deadline, snapshots=snapshots)
        settlement = _early_settlement(delivery, row, now=now)
        if settlement is None:
            claimed.deliveries.append(delivery)
        else:
            claimed.settled.append(settlement)
    return claimed


def _snapshots(ids: Iterable[UUID]) -> tuple[dict[UUID, NotificationSnapshot], float]:
    rows = execute(sql.NOTIFICATIONS, {"ids": list(ids)}) if ids else []
    return {row[0]: NotificationSnapshot(*row[:-1]) for row in rows}, rows[0][-1] if rows else 0.0


def _delivery(
    row: ClaimRow, *, lane: PickedLane, lease: UUID, deadline: float, snapshots: dict[UUID, NotificationSnapshot]
) -> ClaimedDelivery:
    return ClaimedDelivery(
        id=row.id,
        lease=lease,
        lane=lane,
        snapshot=snapshots.get(row.notification_id)
        or NotificationSnapshot(row.notification_id, lane.tenant_id, True, 0, 0.0, 0.0),
        attempt=row.attempt,
        device_id=row.device_id,
        generation=row.generation,
        token_version=row.token_version,
        mapping_id=row.mapping_id,
        host=row.push_origin or ":".join(filter(None, (lane.app.provider.name, lane.app.account_id, lane.app.region))),
        sealed=row.sealed,
        endpoint_arn=row.endpoint_arn,
        vapid_key_id=row.vapid_key_id,
        deadline=deadline,
    )


def _early_settlement(delivery: ClaimedDelivery, row: ClaimRow, *, now: float) -> Settlement | None:
    """For a delivery that must not be sent now; None for one that may."""
    if not row.present:
        return Settlement(delivery, DeliveryState.CANCELLED, DeliveryReason.DEVICE_REMOVED)
    if not row.same_generation:
        return Settlement(delivery, DeliveryState.CANCELLED, DeliveryReason.USER_CHANGED)
    if delivery.snapshot.cancelled:
        return Settlement(delivery, DeliveryState.CANCELLED, DeliveryReason.NOTIFICATION_CANCELLED)
    if delivery.snapshot.expires_at <= now:
        return Settlement(delivery, DeliveryState.EXPIRED, DeliveryReason.EXPIRED)
    if row.endpoint_state == EndpointState.PENDING:
        wait = _pending_wait(delivery, now)
        return Settlement(delivery, DeliveryState.QUEUED, DeliveryReason.ENDPOINT_PENDING, wait=wait)
    if row.endpoint_state == EndpointState.GONE:
        return Settlement(delivery, DeliveryState.GONE, DeliveryReason.ENDPOINT_GONE, suspect_as=SuspectKind.GONE)
    if row.endpoint_state not in (EndpointState.ACTIVE, EndpointState.SUSPECT):
        return Settlement(delivery, DeliveryState.GONE, DeliveryReason(f"endpoint_{row.endpoint_state}"))
    return None


def _pending_wait(delivery: ClaimedDelivery, now: float) -> float:
    """A quarter of its age, which its UUIDv7 tells: short at first, then longer and longer."""
    shortest, longest = PENDING_WAIT
    return min(longest, max(shortest, (now - (delivery.id.int >> 80) / 1000) / 4))
