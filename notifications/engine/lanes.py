"""Which lane may claim next. A lane is (tenant, app, class); its row says when it is due next and how much was served.

Tenants get equal numbers of deliveries, however many lanes a tenant has and however large its claims are.

A transaction that queues a delivery appends a LaneWakeup, and dispatchers apply the wake-ups to the lanes. So a POST
never waits for a row that all POSTs of a tenant would share.
"""

from itertools import cycle
from typing import Final

from django.db import transaction

from notifications.engine import sql
from notifications.engine.scan_cursor import ScanCursor
from notifications.engine.session import execute
from notifications.engine.types import AppVersion, PickedLane
from notifications.states import DeliveryClass
from providers.registry import provider_get

# Transactional first; every fourth pick starts with bulk. Between two batches of bulk, as many transactional deliveries
# may be claimed as the batch had of bulk. So bulk keeps at least a fifth, however much is transactional.
_TRANSACTIONAL_FIRST = (DeliveryClass.TRANSACTIONAL, DeliveryClass.BULK)
_BULK_FIRST = (DeliveryClass.BULK, DeliveryClass.TRANSACTIONAL)
# How many deliveries a tenant that was idle may be behind the others when it has deliveries again. More than one claim,
# because tenants that are never idle differ by one claim.
MAX_DEFICIT: Final = 1_024
CURSORS_KEPT: Final = 1_000


class LanePicker:
    """The order in which one process picks lanes."""

    def __init__(self) -> None:
        self._orders = cycle([_TRANSACTIONAL_FIRST] * 3 + [_BULK_FIRST])
        self._cursors: dict[int, ScanCursor] = {}

    def pick(self, *, limit: int) -> PickedLane | None:
        """The fairest due lane, charged with `limit` deliveries; None when none is due and may claim."""
        first, second = next(self._orders)
        return self._first(first, limit) or self._first(second, limit)

    def pick_urgent(self, *, limit: int) -> PickedLane | None:
        """The fairest transactional lane, whatever the order says."""
        return self._first(DeliveryClass.TRANSACTIONAL, limit)

    def _first(self, delivery_class: DeliveryClass, limit: int) -> PickedLane | None:
        parameters = {"class": delivery_class.value, "limit": limit, "max_deficit": MAX_DEFICIT}
        for lane_id, tenant_id, cap, app_id, version, provider, *rest in execute(sql.LANE_PICK, parameters):
            app = AppVersion(app_id, version, provider_get(provider), *rest)
            return PickedLane(lane_id, tenant_id, app, cap, delivery_class, self._cursor(lane_id))
        return None

    def _cursor(self, lane_id: int) -> ScanCursor:
        if len(self._cursors) >= CURSORS_KEPT:
            self._cursors.clear()
        return self._cursors.setdefault(lane_id, ScanCursor())


def lane_wakeups_apply() -> None:
    execute(sql.LANE_WAKEUPS_APPLY)


def lane_close(*, lane_id: int, unused: int = 0) -> None:
    """Compute when the lane is due next, after a claim that found less than it asked for. `unused` deliveries were
    charged and not found. No wake-up is lost:

    Under READ COMMITTED each statement sees what had committed when the statement began. The lane's row is locked
    first, and its deliveries are read only then, in a new statement. Consider a transaction that queues a delivery and
    appends its wake-up:

    * The wake-up was applied before we had the lock: the transaction had committed by then, and our second statement
      sees the delivery.
    * The wake-up is applied later: that statement waits for our lock, and takes the earlier of our value and its own.

    A single statement would use a snapshot from before the wait for the lock, and overwrite the first case's value.
    """
    with transaction.atomic():
        shared = [id_ for (id_,) in execute(sql.LANE_LOCK, {"lane": lane_id})]
        execute(sql.LANE_CLOSE, {"lane": lane_id, "shared": shared, "unused": unused})


def lane_rate_limit(*, lane_id: int, seconds: float, unused: int) -> None:
    """The lane's rate limit is used up: no claim for `seconds`. `unused` deliveries were charged and not granted."""
    execute(sql.LANE_RATE_LIMIT, {"lane": lane_id, "wait": seconds, "unused": unused})


def work_due() -> bool:
    """Whether a dispatcher would find something to do now."""
    ((due,),) = execute(sql.WORK_DUE)
    return bool(due)


def lanes_rescue() -> list[int]:
    """Set the due time of lanes that have lost it; their ids. There are none, unless pushhub has a bug."""
    return [lane_id for (lane_id,) in execute(sql.LANES_RESCUE)]
