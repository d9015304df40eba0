"""A lane's turn: claim what is due, as much as its rate_limits grant, and decide which of it may be sent at all."""

import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from devices.models import EndpointState
from notifications.engine import sql
from notifications.engine.lanes import PickedLane, lane_close, lane_rate_limit
from notifications.engine.rate_limits import lane_rate_limits, rate_limits_acquire, rate_limits_release
from notifications.engine.session import execute
from notifications.holds.models import SuspectKind
from notifications.message import message_build
from notifications.models import Notification
from notifications.states import CancelReason, DeliveryState
from providers.types import Message, Push

MESSAGES_KEPT: Final = 256  # contents in memory: some MB at most
PENDING_WAIT: Final = (1.0, 60.0)  # seconds until a delivery looks again whether its endpoint is ready


@dataclass(slots=True)
class NotificationSnapshot:
    """What the deliveries of one notification share. Times are Unix seconds of the database's clock.

    `message` is filled in by the sender: looked up once a claim, not once a delivery.
    """

    id: UUID
    tenant_id: UUID
    cancelled: bool
    ttl: int
    expires_at: float
    started_at: float
    message: Message | None = None


class ClaimRow(NamedTuple):
    """The columns of sql.CLAIM. Those of the device are None when its row is gone; then `same_generation` is, too."""

    id: UUID
    notification_id: UUID
    device_id: int
    attempt: int
    present: bool
    same_generation: bool | None
    token_version: int
    endpoint_state: str
    mapping_id: str
    push_origin: str
    sealed: bytes
    endpoint_arn: str
    vapid_key_id: UUID | None
    generation: int
    looked_until: datetime | None


@dataclass(slots=True)
class ClaimedDelivery:
    """One claimed delivery on its way. `deadline` (monotonic) is when it may no longer be put on the wire."""

    id: UUID
    lease: UUID
    lane: PickedLane
    snapshot: NotificationSnapshot
    attempt: int
    device_id: int
    generation: int
    token_version: int
    mapping_id: str
    host: str
    sealed: bytes = field(repr=False)
    endpoint_arn: str = field(repr=False)
    vapid_key_id: UUID | None
    deadline: float
    sent_at: float = 0.0  # monotonic
    push: Push | None = None
    keys_left: list[UUID] | None = None  # VAPID keys to try, of a subscription that did not say which it was made with


@dataclass(slots=True)
class Settlement:
    """What becomes of a claimed delivery. `wait` is in seconds, for QUEUED; `counted`: an attempt was made."""

    delivery: ClaimedDelivery
    state: DeliveryState
    reason: str = ""
    wait: float = 0.0
    counted: bool = False
    message_id: str = ""
    misconfigured: str = ""  # why the whole app is to be paused
    gone: bool = False  # the vendor says that the endpoint no longer exists
    suspect_as: str = ""  # a SuspectKind: not to be believed if the vendor says it of most
    vapid_key_id: UUID | None = None  # the key that turned out to be the subscription's


@dataclass(slots=True)
class Claimed:
    """`now`: Unix seconds of the database's clock. `held`: a rate_limit let us claim less than there may be."""

    deliveries: list[ClaimedDelivery]
    settled: list[Settlement]
    now: float
    held: bool = False

    @property
    def count(self) -> int:
        return len(self.deliveries) + len(self.settled)


class Messages:
    """The last used contents: each is read and built once per process, not once per delivery."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, Message] = OrderedDict()

    def get(self, notification_id: UUID) -> Message:
        """Raises Notification.DoesNotExist."""
        message = self._kept.get(notification_id)
        if message is None:
            message = message_build(notification=Notification.objects.get(id=notification_id))
            self._kept[notification_id] = message
            if len(self._kept) > MESSAGES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(notification_id)
        return message


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
        claimed.held = True
    return claimed


def deliveries_unsent(deliveries: Sequence[ClaimedDelivery]) -> None:
    """Claimed deliveries that go back without having been sent: so does what they took."""
    lanes = {delivery.lane.id: delivery.lane for delivery in deliveries}
    for lane_id, tokens in Counter(delivery.lane.id for delivery in deliveries).items():
        rate_limits_release(lane_rate_limits(lanes[lane_id]), tokens=tokens)


def claim(*, lane: PickedLane, limit: int, lease_seconds: float, send_seconds: float) -> Claimed:
    """The lane's oldest due deliveries, now SENDING under a lease of ours; those that must not be sent, decided."""
    lease = uuid4()
    # Taken before the statement: the local deadline is early rather than late.
    deadline = time.monotonic() + lease_seconds - send_seconds
    parameters = {"lane": lane.id, "floor": lane.floor.look(), "limit": limit, "lease": lease, "seconds": lease_seconds}
    rows = [ClaimRow._make(row) for row in execute(sql.CLAIM, parameters)]
    lane.floor.looked(rows[0].looked_until if len(rows) == limit else None)
    snapshot, now = _snapshots({row.notification_id for row in rows})
    claimed = Claimed([], [], now)
    for row in rows:
        delivery = _delivery(row, lane=lane, lease=lease, deadline=deadline, snapshot=snapshot)
        decided = _decide(delivery, row, now=now)
        if decided is None:
            claimed.deliveries.append(delivery)
        else:
            claimed.settled.append(decided)
    return claimed


def _snapshots(ids: Iterable[UUID]) -> tuple[dict[UUID, NotificationSnapshot], float]:
    rows = execute(sql.NOTIFICATIONS, {"ids": list(ids)}) if ids else []
    return {row[0]: NotificationSnapshot(*row[:-1]) for row in rows}, rows[0][-1] if rows else 0.0


def _delivery(
    row: ClaimRow, *, lane: PickedLane, lease: UUID, deadline: float, snapshot: dict[UUID, NotificationSnapshot]
) -> ClaimedDelivery:
    return ClaimedDelivery(
        id=row.id,
        lease=lease,
        lane=lane,
        snapshot=snapshot.get(row.notification_id)
        or NotificationSnapshot(row.notification_id, lane.tenant_id, True, 0, 0.0, 0.0),
        attempt=row.attempt,
        device_id=row.device_id,
        generation=row.generation,
        token_version=row.token_version,
        mapping_id=row.mapping_id,
        host=row.push_origin or ":".join(filter(None, (lane.app.provider, lane.app.account_id, lane.app.region))),
        sealed=row.sealed,
        endpoint_arn=row.endpoint_arn,
        vapid_key_id=row.vapid_key_id,
        deadline=deadline,
    )


def _decide(delivery: ClaimedDelivery, row: ClaimRow, *, now: float) -> Settlement | None:
    """What must not be sent; None for what may."""
    if not row.present:
        return Settlement(delivery, DeliveryState.CANCELLED, CancelReason.DEVICE_REMOVED)
    if not row.same_generation:
        return Settlement(delivery, DeliveryState.CANCELLED, CancelReason.USER_CHANGED)
    if delivery.snapshot.cancelled:
        return Settlement(delivery, DeliveryState.CANCELLED, CancelReason.NOTIFICATION_CANCELLED)
    if delivery.snapshot.expires_at <= now:
        return Settlement(delivery, DeliveryState.EXPIRED, "expired")
    if row.endpoint_state == EndpointState.PENDING:
        return Settlement(delivery, DeliveryState.QUEUED, "endpoint_pending", wait=_pending_wait(delivery, now))
    if row.endpoint_state == EndpointState.GONE:
        return Settlement(delivery, DeliveryState.GONE, "endpoint_gone", suspect_as=SuspectKind.GONE)
    if row.endpoint_state not in (EndpointState.ACTIVE, EndpointState.SUSPECT):
        return Settlement(delivery, DeliveryState.GONE, f"endpoint_{row.endpoint_state}")
    return None


def _pending_wait(delivery: ClaimedDelivery, now: float) -> float:
    """A quarter of its age (the id is a UUIDv7): soon at first, then less and less often."""
    shortest, longest = PENDING_WAIT
    return min(longest, max(shortest, (now - (delivery.id.int >> 80) / 1000) / 4))
