"""A worker's side of holds: divert held deliveries, and record how many deliveries were accepted."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from notifications.engine.claim import deliveries_unsent
from notifications.engine.session import execute
from notifications.engine.types import ClaimedDelivery
from notifications.holds import sql
from notifications.reasons import DeliveryReason
from notifications.states import DeliveryState
from pushhub.kernel.metrics import Metric, count

REFRESH_SECONDS: Final = 1.0  # between readings of the open holds
FLUSH_SECONDS: Final = 1.0  # between records of what was accepted

Place = tuple[UUID, str]  # app, push origin


class HoldGate:
    """The Gate of the engine (`engine.types`). One per process. Its methods raise DatabaseError; repeating is safe."""

    def __init__(self) -> None:
        self._open: dict[Place, tuple[UUID, UUID | None]] = {}
        self._accepted: Counter[Place] = Counter()
        self._refreshed_at = 0.0
        self._flushed_at = 0.0

    def refresh(self) -> None:
        """Read the open holds, at most once a second."""
        now = time.monotonic()
        if now - self._refreshed_at > REFRESH_SECONDS:
            self._read()
            self._refreshed_at = now

    def divert(self, deliveries: Sequence[ClaimedDelivery]) -> Sequence[ClaimedDelivery]:
        """Move claimed deliveries of a held (app, origin) to the hold's lane; the deliveries that may be sent.

        Diverted deliveries return their rate limit tokens. A hold's probe may be sent. The holds are read again for
        this, because a probe may have been chosen within the last second.
        """
        if not self._open or not any(_place(delivery) in self._open for delivery in deliveries):
            return deliveries
        self._read()
        held = [
            delivery
            for delivery in deliveries
            if self._open.get(_place(delivery), (None, delivery.id))[1] != delivery.id
        ]
        moved = self._move(held) if held else set()
        deliveries_unsent([delivery for delivery in held if delivery.id in moved])
        return [delivery for delivery in deliveries if delivery.id not in moved]

    def accepted(self, delivery: ClaimedDelivery) -> None:
        self._accepted[delivery.lane.app.id, delivery.host] += 1

    def flush(self, *, now: bool = False) -> None:
        """Store how many deliveries were accepted: one row an (app, origin). At most once a second, unless `now`."""
        if not self._accepted or not (now or time.monotonic() - self._flushed_at > FLUSH_SECONDS):
            return
        execute(
            sql.TALLIES_APPEND,
            {
                "apps": [app_id for app_id, _ in self._accepted],
                "origins": [origin for _, origin in self._accepted],
                "accepted": list(self._accepted.values()),
            },
        )
        self._flushed_at = time.monotonic()
        self._accepted.clear()

    def _read(self) -> None:
        self._open = {(app_id, origin): (id_, probe) for app_id, origin, id_, probe in execute(sql.HOLD_LIST_OPEN)}

    def _move(self, deliveries: Sequence[ClaimedDelivery]) -> set[UUID]:
        """The ids of those that are in their hold's lane now, without those whose hold was released meanwhile."""
        deliveries = sorted(deliveries, key=lambda delivery: delivery.id.int)
        holds = [self._open[_place(delivery)][0] for delivery in deliveries]
        rows = execute(
            sql.DIVERT,
            {
                "holds": list(set(holds)),
                "hold_of": holds,
                "ids": [delivery.id for delivery in deliveries],
                "leases": [delivery.lease for delivery in deliveries],
                "claimed": [DeliveryState.SENDING.value],
                "reason": DeliveryReason.HELD.value,
            },
        )
        count(Metric.DELIVERIES_DIVERTED, len(rows))
        return {row[0] for row in rows}


def _place(delivery: ClaimedDelivery) -> Place:
    return delivery.lane.app.id, delivery.host
