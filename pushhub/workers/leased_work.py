"""Claim → call → settle, for work of low volume whose due rows are in PostgreSQL.

A transaction claims due rows and gives each a lease. Calls to vendors and stores run outside any transaction; each
answers an outcome. Another transaction writes the outcome, if the row still has that lease. A worker may die at any
moment: the row is due again when its lease has run out. The notifications' engine has its own, faster form of this.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError, transaction

from pushhub.kernel.metrics import Metric, count
from pushhub.workers.wake import wake, wake_taken

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedWork(Generic[Item, Outcome]):
    """One kind of work.

    `claim`: a batch of due rows, each under a lease; empty when nothing is due. Runs in a transaction.
    `calls`: the outcome of each row as it is known; None writes nothing, and the row is due again as the claim said.
    Runs outside any transaction; a generator goes on when the outcome before has been settled.
    `settle`: writes an outcome. False when the lease is lost: nothing was written. Runs in a transaction.
    """

    name: str  # in log lines
    claim: Callable[[], Sequence[Item]]
    calls: Callable[[Sequence[Item]], Iterable[tuple[Item, Outcome | None]]]
    settle: Callable[[Item, Outcome], bool]

    def step(self) -> int:
        """Claim, call and settle one batch. How many rows were claimed. Raises what `claim` and `calls` raise, and
        OperationalError and InterfaceError when the database is unavailable."""
        with transaction.atomic():
            items = self.claim()
        if items:
            for item, outcome in self.calls(items):
                if outcome is not None:
                    self._settle(item, outcome)
        return len(items)

    def run_until(self, deadline: float) -> bool:
        """Batches until nothing is due, or until `deadline` (time.monotonic()). Whether more may be due."""
        while time.monotonic() < deadline:
            if not self.step():
                return False
        return True

    def run_task(self, task_name: str, queue: str, *, seconds: float) -> None:
        """The body of the Celery task that a wake-up starts. It wakes the next task while more may be due."""
        wake_taken(task_name)
        if self.run_until(time.monotonic() + seconds):
            wake(task_name, queue)

    def _settle(self, item: Item, outcome: Outcome) -> None:
        """An outcome that cannot be written does not keep the others of the batch from being written."""
        try:
            with transaction.atomic():
                has_lease = self.settle(item, outcome)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("outcome not written", extra={"work": self.name})
            return
        if not has_lease:
            count(Metric.LEASES_LOST)
            logger.info("lease lost", extra={"work": self.name})


def one_by_one(
    call: Callable[[Item], Outcome | None],
) -> Callable[[Sequence[Item]], Iterator[tuple[Item, Outcome | None]]]:
    """The `calls` of work whose rows are called one after another. A call that raises is logged and writes nothing."""

    def calls(items: Sequence[Item]) -> Iterator[tuple[Item, Outcome | None]]:
        for item in items:
            yield item, _outcome(call, item)

    return calls


def _outcome(call: Callable[[Item], Outcome | None], item: Item) -> Outcome | None:
    try:
        return call(item)
    except Exception:
        logger.exception("call failed")
        return None
