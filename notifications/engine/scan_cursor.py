"""The due time from which a process searches a lane for due deliveries."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

CURSOR_SECONDS: Final = 1.0
_FROM_THE_START: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class ScanCursor:
    """Where one lane's next claim starts, while a process claims one batch after another.

    A transaction that reads the database for a long time (a dump, a report) keeps every delivery that was claimed since
    it started in the index, as a dead entry, and each claim would step over all of them. So a claim starts where the
    last full one ended. A row that is due earlier (another process had locked it and released it) is found once a
    second, and whenever a claim finds less than it asked for.
    """

    due_at: datetime = _FROM_THE_START
    _until: float = 0.0

    def start(self) -> datetime:
        now = time.monotonic()
        if now >= self._until:
            self.due_at, self._until = _FROM_THE_START, now + CURSOR_SECONDS
        return self.due_at

    def advance(self, due_at: datetime | None) -> None:
        """`due_at`: the last due time of a full claim; None for a claim that was not full."""
        self.due_at = due_at or _FROM_THE_START
