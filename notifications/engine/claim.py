"""A lane's turn: claim what is due, as much as its budgets grant, and decide which of it may be sent at all."""

import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from devices.models import EndpointState
from notifications.engine import sql
from notifications.engine.lanes import PickedLane, lane_close, lane_hold
from notifications.engine.rate_limits import budgets_return, budgets_spend, lane_budgets
from notifications.engine.session import execute
from notifications.holds.models import DoubtKind
from notifications.message import message_build
from notifications.models import Notification
from notifications.states import CancelReason, DeliveryState
from providers.types import Message, Push

MESSAGES_KEPT: Final = 256  # contents in memory: some MB at most
PENDING_WAIT: Final = (1.0, 60.0)  # seconds until a delivery looks again whether its endpoint is ready


@dataclass(slots=True)
class Facts:
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
    facts: Facts
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

    job: ClaimedDelivery
    state: DeliveryState
    reason: str = ""
    wait: float = 0.0
    counted: bool = False
    message_id: str = ""
    misconfigured: str = ""  # why the whole app is to be paused
    gone: bool = False  # the vendor says that the endpoint no longer exists
    doubt: str = ""  # a DoubtKind: not to be believed if the vendor says it of most
    vapid_key_id: UUID | None = None  # the key that turned out to be the subscription's


@dataclass(slots=True)
class Claimed:
    """`now`: Unix seconds of the database's clock. `held`: a budget let us claim less than there may be."""

    jobs: list[ClaimedDelivery]
    settled: list[Settlement]
    now: float
    held: bool = False

    @property
    def count(self) -> int:
        return len(self.jobs) + len(self.settled)


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


def turn_take(*, lane: PickedLane, limit: int, lease_seconds: float, send_seconds: float) -> Claimed:
    """A picked lane's turn: what its budgets grant is claimed, and the lane held or closed if that was not `limit`."""
    budgets = lane_budgets(lane)
    grant = budgets_spend(budgets, wanted=limit)
    claimed = Claimed([], [], 0.0)
    if grant.tokens:
        claimed = claim(lane=lane, limit=grant.tokens, lease_seconds=lease_seconds, send_seconds=send_seconds)
        budgets_return(budgets, tokens=grant.tokens - len(claimed.jobs))
    if claimed.count < grant.tokens:
        lane_close(lane_id=lane.id, unused=limit - claimed.count)
    elif grant.tokens < limit:
        lane_hold(lane_id=lane.id, seconds=grant.wait, unused=limit - grant.tokens)
        claimed.held = True
    return claimed


def jobs_unsent(jobs: Sequence[ClaimedDelivery]) -> None:
    """Claimed deliveries that go back without having been sent: so does what they took."""
    lanes = {job.lane.id: job.lane for job in jobs}
    for lane_id, tokens in Counter(job.lane.id for job in jobs).items():
        budgets_return(lane_budgets(lanes[lane_id]), tokens=tokens)


def claim(*, lane: PickedLane, limit: int, lease_seconds: float, send_seconds: float) -> Claimed:
    """The lane's oldest due deliveries, now SENDING under a lease of ours; those that must not be sent, decided."""
    lease = uuid4()
    # Taken before the statement: the local deadline is early rather than late.
    deadline = time.monotonic() + lease_seconds - send_seconds
    parameters = {"lane": lane.id, "floor": lane.floor.look(), "limit": limit, "lease": lease, "seconds": lease_seconds}
    rows = [ClaimRow._make(row) for row in execute(sql.CLAIM, parameters)]
    lane.floor.looked(rows[0].looked_until if len(rows) == limit else None)
    facts, now = _facts({row.notification_id for row in rows})
    claimed = Claimed([], [], now)
    for row in rows:
        job = _job(row, lane=lane, lease=lease, deadline=deadline, facts=facts)
        decided = _decide(job, row, now=now)
        if decided is None:
            claimed.jobs.append(job)
        else:
            claimed.settled.append(decided)
    return claimed


def _facts(ids: Iterable[UUID]) -> tuple[dict[UUID, Facts], float]:
    rows = execute(sql.NOTIFICATIONS, {"ids": list(ids)}) if ids else []
    return {row[0]: Facts(*row[:-1]) for row in rows}, rows[0][-1] if rows else 0.0


def _job(row: ClaimRow, *, lane: PickedLane, lease: UUID, deadline: float, facts: dict[UUID, Facts]) -> ClaimedDelivery:
    return ClaimedDelivery(
        id=row.id,
        lease=lease,
        lane=lane,
        facts=facts.get(row.notification_id) or Facts(row.notification_id, lane.tenant_id, True, 0, 0.0, 0.0),
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


def _decide(job: ClaimedDelivery, row: ClaimRow, *, now: float) -> Settlement | None:
    """What must not be sent; None for what may."""
    if not row.present:
        return Settlement(job, DeliveryState.CANCELLED, CancelReason.DEVICE_REMOVED)
    if not row.same_generation:
        return Settlement(job, DeliveryState.CANCELLED, CancelReason.USER_CHANGED)
    if job.facts.cancelled:
        return Settlement(job, DeliveryState.CANCELLED, CancelReason.NOTIFICATION_CANCELLED)
    if job.facts.expires_at <= now:
        return Settlement(job, DeliveryState.EXPIRED, "expired")
    if row.endpoint_state == EndpointState.PENDING:
        return Settlement(job, DeliveryState.QUEUED, "endpoint_pending", wait=_pending_wait(job, now))
    if row.endpoint_state == EndpointState.GONE:
        return Settlement(job, DeliveryState.GONE, "endpoint_gone", doubt=DoubtKind.GONE)
    if row.endpoint_state not in (EndpointState.ACTIVE, EndpointState.SUSPECT):
        return Settlement(job, DeliveryState.GONE, f"endpoint_{row.endpoint_state}")
    return None


def _pending_wait(job: ClaimedDelivery, now: float) -> float:
    """A quarter of its age (the id is a UUIDv7): soon at first, then less and less often."""
    shortest, longest = PENDING_WAIT
    return min(longest, max(shortest, (now - (job.id.int >> 80) / 1000) / 4))
