"""The pools of workers that notifications wake, on commit. `pushhub.workers.wake` sends the wake-ups, best effort."""

from enum import StrEnum

from django.db import transaction

from pushhub.workers.wake import wake as wake_task
from pushhub.workers.wake import wake_taken


class Pool(StrEnum):
    """A pool of workers, by the name of its task in `notifications.tasks`."""

    DISPATCH = "dispatch"
    EXPAND = "expand"

    @property
    def task(self) -> str:
        return f"notifications.tasks.{self.value}"

    @property
    def queue(self) -> str:
        return "dispatch" if self is Pool.DISPATCH else "upkeep"


def wake(pool: Pool = Pool.DISPATCH) -> None:
    """Wake the pool after the transaction's commit, or now if there is none. Never raises and never waits."""
    transaction.on_commit(lambda: wake_task(pool.task, pool.queue), robust=True)


def wake_begin(pool: Pool) -> None:
    """The first action of a woken task: what is queued from now on wakes the pool again."""
    wake_taken(pool.task)
