"""Results that wait to be settled together: hundreds in one transaction cost little more than one."""

import time
from math import inf
from typing import Final

from notifications.engine.settle import settle
from notifications.engine.types import Settlement
from notifications.states import DeliveryClass
from pushhub.kernel.metrics import Metric, observe, timed

SETTLE_ROWS: Final = 300
# Seconds a result waits for others. The sender of a transactional notification often looks at its result at once: such
# a result waits only for others of its class.
SETTLE_SECONDS: Final = {DeliveryClass.TRANSACTIONAL: 0.02, DeliveryClass.BULK: 0.25}


class SettleBuffer:
    """One per dispatcher. It is flushed when it is full, when a result has waited long enough, or when nothing else is
    in progress."""

    def __init__(self) -> None:
        self._settlements: list[Settlement] = []
        self._flush_at = inf  # monotonic
        self._transactional = 0  # claimed transactional deliveries without a result

    def __len__(self) -> int:
        return len(self._settlements)

    def expect(self, number: int, delivery_class: DeliveryClass) -> None:
        """So many deliveries were claimed, whose results come later."""
        if delivery_class is DeliveryClass.TRANSACTIONAL:
            self._transactional += number

    def add(self, settlement: Settlement) -> None:
        """The result of one delivery. The last transactional one is settled at once: no other is expected."""
        self._settlements.append(settlement)
        wait = SETTLE_SECONDS[settlement.delivery.lane.delivery_class]
        if settlement.delivery.lane.delivery_class is DeliveryClass.TRANSACTIONAL:
            self._transactional -= 1
            wait = wait if self._transactional else 0.0
        self._flush_at = min(self._flush_at, time.monotonic() + wait)

    def flush(self, *, idle: bool) -> bool:
        """Settle everything, if it is time; whether it was. `idle`: nothing waits or is in flight, no result follows.

        Raises DatabaseError. The results stay in the buffer then, and repeating is safe.
        """
        rows = len(self._settlements)
        if not rows or not (idle or rows >= SETTLE_ROWS or time.monotonic() >= self._flush_at):
            return False
        observe(Metric.SETTLE_ROWS, rows)
        with timed(Metric.SETTLE_SECONDS):
            settle(self._settlements)
        self.drop()
        return True

    def drop(self) -> None:
        """Forget the results. Deliveries that are not settled are sent again when their leases have expired."""
        self._settlements, self._flush_at = [], inf
