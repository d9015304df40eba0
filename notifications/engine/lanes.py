"""Whose turn it is. A lane is (tenant, app, class); its row says when it is due next and how much was served.

LanePicker are shared by tenants, in deliveries, however many lanes each has and however large its claims are.

Who queues a delivery appends a LaneWakeup in the same transaction; whoever dispatches folds signals into the rows. So
the POST never waits for a row that all of a tenant's POSTs would share.
"""

from itertools import cycle
from typing import Final

from django.db import transaction

from notifications.engine import sql
from notifications.engine.scan_cursor import ScanCursor
from notifications.engine.session import execute
from notifications.engine.types import AppVersion, PickedLane
from notifications.states import DeliveryClass

# Transactional first; every fourth pick looks at bulk first. Between the handfuls of bulk, as many urgent ones may be
# claimed as bulk had in them: so bulk keeps a fifth, whatever calls itself urgent.
_TRANSACTIONAL_FIRST = (DeliveryClass.TRANSACTIONAL, DeliveryClass.BULK)
_BULK_FIRST = (DeliveryClass.BULK, DeliveryClass.TRANSACTIONAL)
# Deliveries that who was idle may be behind the others when it comes back. More than a claim: those who are never idle
# are a claim apart.
MAX_DEFICIT: Final = 1_024
CURSORS_KEPT: Final = 1_000


class LanePicker:
    """The order of picks of one process."""

    def __init__(self) -> None:
        self._orders = cycle([_TRANSACTIONAL_FIRST] * 3 + [_BULK_FIRST])
        self._cursors: dict[int, ScanCursor] = {}

    def pick(self, *, limit: int) -> PickedLane | None:
        """The fairest due lane, charged with `limit` deliveries; None when none is due and may claim."""
        first, second = next(self._orders)
        return self._first(first, limit) or self._first(second, limit)

    def pick_urgent(self, *, limit: int) -> PickedLane | None:
        """The fairest transactional one, out of turn."""
        return self._first(DeliveryClass.TRANSACTIONAL, limit)

    def _first(self, delivery_class: DeliveryClass, limit: int) -> PickedLane | None:
        parameters = {"class": delivery_class.value, "limit": limit, "max_deficit": MAX_DEFICIT}
        for lane_id, tenant_id, cap, *app in execute(sql.LANE_PICK, parameters):
            return PickedLane(lane_id, tenant_id, AppVersion(*app), cap, delivery_class, self._cursor(lane_id))
        return None

    def _cursor(self, lane_id: int) -> ScanCursor:
        if len(self._cursors) >= CURSORS_KEPT:
            self._cursors.clear()
        return self._cursors.setdefault(lane_id, ScanCursor())


def lane_wakeups_apply() -> None:
    execute(sql.LANE_WAKEUPS_APPLY)


def lane_close(*, lane_id: int, unused: int = 0) -> None:
    """Recompute when the lane is due next, for a claim found less than it asked for: `unused` deliveries of what was
    charged. No signal is lost:

    Under READ COMMITTED each statement sees what had committed when it began. The lane's row is locked first, and only
    then, in a new statement, are its deliveries looked at. Take whoever queues a delivery, and their signal with it:

    * Their signal was folded before we had the lock: then they had committed by then, and our second statement sees the
      delivery.
    * It is folded later: the fold waits for our lock and takes the lesser of our value and its own.

    One statement for both would look with a snapshot from before the wait for the lock, and overwrite the first case.
    """
    with transaction.atomic():
        shared = [id_ for (id_,) in execute(sql.LANE_LOCK, {"lane": lane_id})]
        execute(sql.LANE_CLOSE, {"lane": lane_id, "shared": shared, "unused": unused})


def lane_rate_limit(*, lane_id: int, seconds: float, unused: int) -> None:
    """No claim for so long: a rate_limit is used up. `unused` deliveries of what was charged were not granted."""
    execute(sql.LANE_RATE_LIMIT, {"lane": lane_id, "wait": seconds, "unused": unused})


def work_due() -> bool:
    """Whether a dispatcher would find something now."""
    ((due,),) = execute(sql.WORK_DUE)
    return bool(due)


def lanes_rescue() -> list[int]:
    """Lanes that had lost sight of their deliveries, opened again. Always empty, unless we have a fault."""
    return [lane_id for (lane_id,) in execute(sql.LANES_RESCUE)]
