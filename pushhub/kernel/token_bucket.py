"""Token buckets in a table of PostgreSQL, shared by all workers: the one implementation of rates per second.

The table has the key's columns (text, unique together), `rate` (null: the rate that is asked for), `tokens` and
`refilled_at`. A bucket holds one second's worth, at least one token; whole tokens only, nothing is borrowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

USEFUL: Final = 0.1  # of a second's tokens is worth another try: a caller that is short of them returns no more often
MISSING_WAIT: Final = 1.0  # seconds, if a bucket is deleted whenever it is made

Key = tuple[str, ...]
Run = Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]]

# Take tokens out of every bucket: all that are wanted, or as many as the emptiest holds. Buckets are locked in the
# order of their keys, so that two statements never wait for each other in a circle. Returns the tokens granted, the
# number of buckets found, and the seconds until each has a useful part of a second's tokens. Takes nothing while a
# bucket has no row. Index: the key.
_ACQUIRE: Final = """
WITH level AS MATERIALIZED (
    SELECT bucket.id, coalesce(bucket.rate, asked.rate) AS rate, clock_timestamp() AS at,
           least(greatest(1, coalesce(bucket.rate, asked.rate)), bucket.tokens
                 + extract(epoch FROM clock_timestamp() - bucket.refilled_at) * coalesce(bucket.rate, asked.rate)
           )::float8 AS tokens
    FROM unnest({arrays}, %(rates)s::float8[]) AS asked ({key}, rate)
    JOIN {table} bucket ON {same_key}
    ORDER BY {bucket_key} FOR NO KEY UPDATE OF bucket
), spent AS MATERIALIZED (
    SELECT greatest(0, least(%(wanted)s, floor(min(tokens)))) AS tokens, count(*) AS buckets FROM level
), written AS (
    UPDATE {table} bucket SET tokens = level.tokens - spent.tokens, refilled_at = level.at
    FROM level, spent WHERE bucket.id = level.id AND spent.buckets = cardinality(%(rates)s::float8[])
)
SELECT spent.tokens::int, spent.buckets, greatest(0, max(
    (least(%(wanted)s, greatest(1, level.rate * %(useful)s)) - (level.tokens - spent.tokens)) / level.rate))::float8
FROM spent, level GROUP BY spent.tokens, spent.buckets
"""

_ENSURE: Final = """
INSERT INTO {table} ({key}, tokens)
SELECT {key}, greatest(1, rate) FROM unnest({arrays}, %(rates)s::float8[]) AS asked ({key}, rate) ORDER BY {key}
ON CONFLICT ({key}) DO NOTHING
"""

# More than a second's worth is cut off by the next `acquire`.
_RELEASE: Final = """
WITH locked AS MATERIALIZED (
    SELECT bucket.id FROM unnest({arrays}) AS asked ({key}) JOIN {table} bucket ON {same_key}
    ORDER BY {bucket_key} FOR NO KEY UPDATE OF bucket
)
UPDATE {table} bucket SET tokens = bucket.tokens + %(tokens)s FROM locked WHERE bucket.id = locked.id
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """`tokens` may be spent; with fewer than were wanted, more are available in `wait` seconds."""

    tokens: int
    wait: float = 0.0


class TokenBuckets:
    """The buckets of `table`, whose key has the columns `key`. `run` runs one statement and returns its rows."""

    def __init__(self, table: str, *, key: tuple[str, ...], run: Run) -> None:
        parts = {
            "table": table,
            "key": ", ".join(key),
            "bucket_key": ", ".join(f"bucket.{column}" for column in key),
            "same_key": " AND ".join(f"bucket.{column} = asked.{column}" for column in key),
            "arrays": ", ".join(f"%({column})s::text[]" for column in key),
        }
        self._key = key
        self._run = run
        self._acquire = _ACQUIRE.format(**parts)
        self._ensure = _ENSURE.format(**parts)
        self._release = _RELEASE.format(**parts)

    def acquire(self, rates: Mapping[Key, float], *, wanted: int) -> Grant:
        """Out of every one of the buckets at once, or not at all. `rates` are tokens per second, not empty.

        One atomic statement; three when a bucket has to be made first.
        """
        asked = self._columns(rates) | {"rates": list(rates.values())}
        parameters = asked | {"wanted": wanted, "useful": USEFUL}
        grant = self._granted(parameters)
        if grant is None:
            self._run(self._ensure, asked)
            grant = self._granted(parameters)
        return grant or Grant(0, MISSING_WAIT)

    def release(self, keys: Mapping[Key, float], *, tokens: int) -> None:
        """Return tokens that were granted and not spent, to every one of the buckets."""
        self._run(self._release, self._columns(keys) | {"tokens": tokens})

    def _granted(self, parameters: Mapping[str, Any]) -> Grant | None:
        """None: a bucket is missing, and nothing was taken."""
        for tokens, found, wait in self._run(self._acquire, parameters):
            if found == len(parameters["rates"]):
                return Grant(tokens, wait)
        return None

    def _columns(self, keys: Mapping[Key, float]) -> dict[str, Any]:
        return {column: list(values) for column, values in zip(self._key, zip(*keys, strict=True), strict=True)}
