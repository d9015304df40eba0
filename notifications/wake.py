"""Which pools the engine wakes, on commit. `pushhub.workers.wake` does the waking: best effort, in nobody's way."""

from enum import StrEnum

from django.db import transaction

from pushhub.workers.wake import wake as wake_task
from pushhub.workers.wake import wake_taken


class Pool(StrEnum):
    """Whom to wake: the name of a task in `notifications.tasks`."""

    DISPATCH = "dispatch"
    EXPAND = "expand"

    @property
    def task(self) -> str:
        return f"notifications.tasks.{self.value}"

    @property
    def queue(self) -> str:
        return "dispatch" if self is Pool.DISPATCH else "upkeep"


def wake(pool: Pool = Pool.DISPATCH) -> None:
    """After the transaction's commit, or now without one. Never raises, never waits."""
    transaction.on_commit(lambda: wake_task(pool.task, pool.queue), robust=True)


def wake_begin(pool: Pool) -> None:
    """The woken task's first act: whatever is queued from here on rings again."""
    wake_taken(pool.task)
