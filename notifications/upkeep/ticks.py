"""What upkeep does every second and every few minutes.

Every step may run in any process, in two at the same time, or not at all for some time.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from events.models import Event
from events.services import events_append
from events.types import EventType
from notifications.counts import DELTAS_FOLD
from notifications.engine.lanes import lanes_rescue, work_due
from notifications.engine.retry import LOST_LEASES_CAP
from notifications.engine.session import engine_session, execute
from notifications.expansion.expand import expansion_step
from notifications.holds.maintenance import holds_maintain, holds_prune
from notifications.models import Notification
from notifications.reasons import DeliveryReason
from notifications.receipts import parked_receipts_retry
from notifications.states import DeliveryState, NotificationState
from notifications.upkeep import partitions, sql
from notifications.wake import Pool, wake
from pushhub.kernel.ids import uuid7_floor
from tenants.idempotency import idempotency_prune

logger = logging.getLogger(__name__)

FOLDS: Final = 20  # of 5,000 deltas, in one run
SWEEPS: Final = 20  # of 5,000 deliveries, in one run and for one notification


def second() -> None:
    """Every second."""
    _step(holds_maintain)
    with engine_session():
        for step in (leases_release, cancelled_sweep, deltas_fold, completed_mark, dispatchers_wake):
            _step(step)
    for step in (parked_receipts_retry, expansions_wake):
        _step(step)


def minutes() -> None:
    """Every few minutes."""
    for step in (lanes_repair, expired_sweep, partitions_keep, idempotency_prune, holds_prune):
        _step(step)


def _step(step: Callable[[], object]) -> None:
    """Run one step. When it fails, the next steps still run."""
    try:
        step()
    except Exception as error:
        logger.exception("an upkeep step failed", extra={"step": step.__name__, "error": type(error).__name__})
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def dispatchers_wake() -> None:
    """Wake a dispatcher if deliveries are due. It makes up for wake-ups that were lost."""
    if work_due():
        wake(Pool.DISPATCH)


def expansions_wake() -> None:
    """Wake an expansion if one is due. It makes up for wake-ups that were lost."""
    if Notification.objects.filter(expansion_due_at__lte=Now()).exists():
        wake(Pool.EXPAND)


def expand(*, seconds: float = 10.0, stopping: Callable[[], bool] = lambda: False) -> int:
    """Expand chunks until nothing is due, or for `seconds`; how many. What is left has woken the next task already."""
    chunks, end = 0, time.monotonic() + seconds
    while not stopping() and time.monotonic() < end and expansion_step():
        chunks += 1
    return chunks


def leases_release() -> int:
    """Queue deliveries again whose worker stopped without settling them; how many."""
    ((released,),) = execute(sql.LEASES_RELEASE, {"cap": LOST_LEASES_CAP, "reason": DeliveryReason.LEASES_LOST.value})
    if released:
        logger.warning("leases have expired", extra={"deliveries": released})
    return int(released)


def cancelled_sweep() -> None:
    """End the queued deliveries of cancelled notifications. Those being sent are settled, or released and swept."""
    reasons = {"reason": DeliveryReason.NOTIFICATION_CANCELLED.value}
    for (notification_id,) in execute(sql.CANCELLED):
        _sweep(sql.SWEEP_CANCELLED, notification_id, DeliveryState.CANCELLED, reasons)


def expired_sweep() -> None:
    """End expired deliveries that no worker claims. They would keep their day's partition from being dropped."""
    reasons = {
        "reason": DeliveryReason.EXPIRED.value,
        "lane_paused": DeliveryReason.LANE_PAUSED.value,
        "app_disabled": DeliveryReason.APP_DISABLED.value,
        "app_unavailable": DeliveryReason.APP_UNAVAILABLE.value,
    }
    for (notification_id,) in execute(sql.EXPIRED):
        _sweep(sql.SWEEP_EXPIRED, notification_id, DeliveryState.EXPIRED, reasons)


def _sweep(statement: str, notification_id: UUID, state: DeliveryState, reasons: Mapping[str, str]) -> None:
    parameters = {"notification": notification_id, "state": state.value, **reasons}
    after = UUID(int=0)
    for _ in range(SWEEPS):
        found = execute(statement, {**parameters, "after": after})
        if not found:
            break
        ((after,),) = found


def deltas_fold() -> None:
    for _ in range(FOLDS):
        if not execute(DELTAS_FOLD):
            break


def completed_mark() -> int:
    """Complete notifications without open deliveries, each with one event; how many. A redrive opens a notification
    again."""
    with transaction.atomic():
        done = execute(sql.COMPLETE)
        type = EventType.NOTIFICATION_COMPLETED
        events_append(
            events=(
                Event(tenant_id=tenant_id, type=type, subject=str(id_), data={"counts": json.loads(counts)})
                for id_, tenant_id, state, counts in done
                if state == NotificationState.COMPLETED
            )
        )
    return len(done)


def lanes_repair() -> None:
    rescued = lanes_rescue()
    if rescued:
        logger.error("lanes had lost their due time", extra={"lanes": len(rescued)})


def partitions_keep() -> None:
    """Create the partitions of the next days, drop old ones, and report rows in the default partition to operators."""
    partitions.partitions_make()
    partitions.partitions_drop()
    tenants = partitions.default_tenants()
    if tenants:
        logger.error("the default partition of deliveries is not empty")
        today = uuid7_floor(timezone.now() - timedelta(days=1))
        type = EventType.DEFAULT_PARTITION  # reported once a day
        reported = Event.objects.filter(tenant_id__in=tenants, type=type, id__gt=today)
        missing = set(tenants) - set(reported.values_list("tenant_id", flat=True))
        events_append(events=(Event(tenant_id=tenant_id, type=type) for tenant_id in missing))
