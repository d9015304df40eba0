"""Claim → call → settle, for work of low volume whose due rows are in PostgreSQL.

A transaction claims due rows and gives each a lease. Calls to vendors and stores run outside of transactions; each
returns an outcome. Another transaction writes the outcome, if the row still has that lease. A worker may die at any
moment: the row is due again when its lease has expired. The notifications' engine has its own, faster implementation.
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


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call raised `error`. LeasedWork logs it, and nothing is written."""

    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedWork(Generic[Item, Outcome]):
    """One kind of work.

    `claim`: returns a batch of due rows, each with a lease; empty if no row is due. Runs in a transaction.
    `calls`: yields the outcome of each row as soon as it is known. For None nothing is written, and the row is due
    again at the time that the claim set. Runs outside of transactions; a generator continues after the previous outcome
    is settled.
    `settle`: writes an outcome. Returns False if the lease is lost, and then writes nothing. Runs in a transaction.
    """

    name: str  # in log lines
    item_id: Callable[[Item], object]  # in log lines
    claim: Callable[[], Sequence[Item]]
    calls: Callable[[Sequence[Item]], Iterable[tuple[Item, Outcome | CallFailed | None]]]
    settle: Callable[[Item, Outcome], bool]

    def step(self) -> int:
        """Claims, calls and settles one batch. Returns the number of claimed rows. Raises the errors of `claim` and
        `calls`, and OperationalError and InterfaceError if the database is unavailable."""
        with transaction.atomic():
            items = self.claim()
        if items:
            for item, outcome in self.calls(items):
                if isinstance(outcome, CallFailed):
                    logger.error("call failed", exc_info=outcome.error, extra=self._log_fields(item))
                elif outcome is not None:
                    self._settle(item, outcome)
        return len(items)

    def run_until(self, deadline: float) -> bool:
        """Runs batches until no row is due or until `deadline` (time.monotonic()). Returns whether more may be due."""
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
        """An outcome that cannot be written is logged, so that the others of the batch are still written."""
        try:
            with transaction.atomic():
                has_lease = self.settle(item, outcome)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("outcome not written", extra=self._log_fields(item))
            return
        if not has_lease:
            count(Metric.LEASES_LOST)
            logger.info("lease lost", extra=self._log_fields(item))

    def _log_fields(self, item: Item) -> dict[str, str]:
        return {"work": self.name, "id": str(self.item_id(item))}


def one_by_one(
    call: Callable[[Item], Outcome | None],
) -> Callable[[Sequence[Item]], Iterator[tuple[Item, Outcome | CallFailed | None]]]:
    """The `calls` that calls one row after the other. For a call that raises, it yields CallFailed."""

    def calls(items: Sequence[Item]) -> Iterator[tuple[Item, Outcome | CallFailed | None]]:
        for item in items:
            yield item, _outcome(call, item)

    return calls


def _outcome(call: Callable[[Item], Outcome | None], item: Item) -> Outcome | CallFailed | None:
    try:
        return call(item)
    except Exception as error:
        return CallFailed(error)
