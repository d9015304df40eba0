"""Deliveries counted by state, and how long acceptance took: deltas, and the histogram of delays.

A transaction that changes deliveries appends one delta for each notification (`CountDeltas`, or `moves_insert` inside a
statement). Upkeep adds the deltas to the notifications; a reader adds those that are left. So nothing counts delivery
rows on GET, and no counter row is locked by every worker. A claim appends nothing: SENDING counts as QUEUED.

The histogram is {log bucket: deliveries}, with buckets 5 % wide: histograms add up, and percentiles are read from a few
hundred buckets at most. Keys are strings because JSON's are.
"""
# ruff: noqa: S608 - the parts put together are constants of this package; every value is a parameter

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import log
from typing import Final
from uuid import UUID

from notifications.states import DeliveryState
from pushhub.kernel.database import statement_run

WIDTH: Final = 1.05
TOP: Final = 480  # 1.05^480 ms ≈ 171 days, longer than any delivery waits

Histogram = Mapping[str, int]


def delta_insert(source: str, *, counts: str, notification: str = "notification_id", delays: str = "'{}'") -> str:
    """SQL that appends one delta for each row of `source`. The other arguments are expressions over its columns."""
    insert = "INSERT INTO notifications_countdelta (notification_id, counts, delays)"
    return f"{insert}\n    SELECT {notification}, {counts}, {delays} FROM {source}"


def moves_insert(source: str, *, before: str, after: str) -> str:
    """SQL that appends one delta for each `notification_id` of `source`, whose rows are deliveries that changed their
    state. `before` and `after` are SQL expressions."""
    counts = f"jsonb_build_object({before}, -count(*), {after}, count(*))"
    return delta_insert(f"{source} GROUP BY notification_id", counts=counts)


_APPEND: Final = delta_insert(
    "unnest(%(ids)s::uuid[], %(counts)s::text[], %(delays)s::text[]) AS delta (notification_id, counts, delays)",
    counts="counts::jsonb",
    delays="delays::jsonb",
)

_FOLD: Final = """
WITH locked AS MATERIALIZED (
    SELECT n.id FROM notifications_notification n WHERE n.id = ANY ({ids}) ORDER BY n.id FOR NO KEY UPDATE {others}
), taken AS (
    DELETE FROM notifications_countdelta WHERE notification_id = ANY (ARRAY(SELECT id FROM locked))
    RETURNING notification_id AS id, counts, delays
), parts AS (
    SELECT id, 'counts' AS part, CASE key WHEN 'sending' THEN 'queued' ELSE key END AS key, value::bigint
    FROM taken, jsonb_each_text(counts)
    UNION ALL SELECT id, 'delays', key, value::bigint FROM taken, jsonb_each_text(delays)
), sums AS (
    SELECT id, part, key, sum(value) AS value FROM parts GROUP BY id, part, key
), updates AS (
    SELECT id, coalesce(jsonb_object_agg(key, value) FILTER (WHERE part = 'counts'), '{{}}') AS counts,
           coalesce(jsonb_object_agg(key, value) FILTER (WHERE part = 'delays'), '{{}}') AS delays
    FROM sums GROUP BY id
)
UPDATE notifications_notification n
SET counts = pushhub_counts_add(n.counts, updates.counts), delays = pushhub_counts_add(n.delays, updates.delays){more}
FROM updates WHERE n.id = updates.id
RETURNING n.id
"""

# Add deltas to their notifications. A notification that another transaction has locked waits for the next second.
# Index: the deltas' key, then count_delta_notification.
DELTAS_FOLD: Final = _FOLD.format(
    ids="ARRAY(SELECT notification_id FROM notifications_countdelta ORDER BY id LIMIT 5000)",
    others="SKIP LOCKED",
    more="",
)

_REOPEN: Final = _FOLD.format(
    ids="%(ids)s::uuid[]",
    others="",
    more=",\n    completed_at = NULL, state = CASE n.state WHEN 'completed' THEN 'sending' ELSE n.state END",
)


class CountDeltas:
    """The deltas of one transaction, one for each notification."""

    def __init__(self) -> None:
        self._counts: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
        self._delays: defaultdict[UUID, Counter[str]] = defaultdict(Counter)

    def move(self, notification_id: UUID, before: str, after: str, *, number: int = 1) -> None:
        """`number` deliveries changed their state, a DeliveryState, from `before` to `after`."""
        before, after = _counted_as(before), _counted_as(after)
        if before != after:
            self._counts[notification_id].update({before: -number, after: number})

    def delay(self, notification_id: UUID, milliseconds: float, *, number: int = 1) -> None:
        """`number` deliveries were accepted so long after the notification."""
        self._delays[notification_id][str(bucket(milliseconds))] += number

    def append(self) -> None:
        """Store them, in the transaction that changes the deliveries. Raises django.db.DatabaseError."""
        if self._counts:
            parameters = {
                "ids": list(self._counts),
                "counts": [json.dumps(change) for change in self._counts.values()],
                "delays": [json.dumps(self._delays.get(id_, {})) for id_ in self._counts],
            }
            statement_run(_APPEND, parameters)


def notifications_reopen(*, ids: Sequence[UUID]) -> None:
    """Deliveries of these notifications are queued again, and the transaction has appended the deltas that say so.

    Those deltas are folded at once: upkeep would take the notification for completed until then.
    """
    statement_run(_REOPEN, {"ids": list(ids)})


def bucket(milliseconds: float) -> int:
    """Bucket 0 is everything under 1 ms; bucket n is [1.05^(n-1), 1.05^n) ms."""
    if milliseconds < 1:
        return 0
    return min(TOP, int(log(milliseconds) / log(WIDTH)) + 1)


def percentile(counts: Histogram, q: float) -> int | None:
    """The delay in ms that the share `q` (0 < q ≤ 1) of deliveries stayed under, or None without deliveries.

    The result is the upper edge of a bucket: never too low, and at most 5 % too high.
    """
    numbers = sorted(map(int, counts))
    sums = list(accumulate(counts[str(number)] for number in numbers))
    if not sums:
        return None
    return round(WIDTH ** numbers[bisect_left(sums, q * sums[-1])])


def _counted_as(state: str) -> str:
    return DeliveryState.QUEUED.value if state == DeliveryState.SENDING.value else str(state)
