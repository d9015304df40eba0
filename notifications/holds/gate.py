"""A worker's side of holds: keep back what is held, and tell how much was accepted."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from notifications.engine.claim import ClaimedDelivery, jobs_unsent
from notifications.engine.session import execute
from notifications.holds import sql
from notifications.states import DeliveryState
from pushhub.kernel.metrics import Metric, count

LOOK_SECONDS: Final = 1.0  # between looks at the open holds
TELL_SECONDS: Final = 1.0  # between tallies of what was accepted

Place = tuple[UUID, str]  # app, push origin


class Watch:
    """One per process. Raises DatabaseError wherever it speaks to the database; repeating is safe."""

    def __init__(self) -> None:
        self._open: dict[Place, tuple[UUID, UUID | None]] = {}
        self._accepted: Counter[Place] = Counter()
        self._looked_at = 0.0
        self._told_at = 0.0

    def look(self) -> None:
        """Read the open holds, once a second."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_SECONDS:
            self._read()
            self._looked_at = now

    def put_away(self, jobs: Sequence[ClaimedDelivery]) -> Sequence[ClaimedDelivery]:
        """Claimed deliveries of a held (app, origin) into its lane; those that may be sent are answered.

        What was put away gives back what it took of its budgets. A probe may be sent. Whether a delivery is one is read
        anew: it has been chosen this very second.
        """
        if not self._open or not any(_place(job) in self._open for job in jobs):
            return jobs
        self._read()
        held = [job for job in jobs if self._open.get(_place(job), (None, job.id))[1] != job.id]
        moved = self._move(held) if held else set()
        jobs_unsent([job for job in held if job.id in moved])
        return [job for job in jobs if job.id not in moved]

    def accepted(self, job: ClaimedDelivery) -> None:
        self._accepted[job.lane.app.id, job.host] += 1

    def tell(self, *, now: bool = False) -> None:
        """Write down how much was accepted, once a second or `now`: one row for each (app, origin)."""
        if not self._accepted or not (now or time.monotonic() - self._told_at > TELL_SECONDS):
            return
        execute(
            sql.TALLIES_APPEND,
            {
                "apps": [app_id for app_id, _ in self._accepted],
                "origins": [origin for _, origin in self._accepted],
                "accepted": list(self._accepted.values()),
            },
        )
        self._told_at = time.monotonic()
        self._accepted.clear()

    def _read(self) -> None:
        self._open = {(app_id, origin): (id_, probe) for app_id, origin, id_, probe in execute(sql.HOLD_LIST_OPEN)}

    def _move(self, jobs: Sequence[ClaimedDelivery]) -> set[UUID]:
        """Those that are in their hold's lane now; not those whose hold was released meanwhile."""
        jobs = sorted(jobs, key=lambda job: job.id.int)
        holds = [self._open[_place(job)][0] for job in jobs]
        rows = execute(
            sql.PUT_AWAY,
            {
                "holds": list(set(holds)),
                "hold_of": holds,
                "ids": [job.id for job in jobs],
                "leases": [job.lease for job in jobs],
                "claimed": [DeliveryState.SENDING.value],
            },
        )
        count(Metric.DELIVERIES_HELD, len(rows))
        return {row[0] for row in rows}


def _place(job: ClaimedDelivery) -> Place:
    return job.lane.app.id, job.host
