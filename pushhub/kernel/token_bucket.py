"""Token buckets in a table of PostgreSQL, which all workers share: the only implementation of rates per second.

The table has the columns of the key (text, unique together), `rate` (null: the caller's rate), `tokens` and
`refilled_at`. A bucket contains the tokens of one second, and at least one. Only whole tokens are granted, and a bucket
never becomes negative.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

USEFUL: Final = 0.1  # the part of a second's tokens for which a caller waits before its next try
MISSING_WAIT: Final = 1.0  # seconds to wait if another transaction deletes the bucket again

Key = tuple[str, ...]
Run = Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]]

# Takes the same number of tokens from every bucket: the wanted number, or as many as the emptiest bucket contains.
# Buckets are locked in the order of their keys, so that two statements do not deadlock. Returns the granted tokens, the
# number of buckets found, and the seconds until each has a useful part of a second's tokens. Takes no tokens if a
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

# The next `acquire` limits the bucket to the tokens of one second again.
_RELEASE: Final = """
WITH locked AS MATERIALIZED (
    SELECT bucket.id FROM unnest({arrays}) AS asked ({key}) JOIN {table} bucket ON {same_key}
    ORDER BY {bucket_key} FOR NO KEY UPDATE OF bucket
)
UPDATE {table} bucket SET tokens = bucket.tokens + %(tokens)s FROM locked WHERE bucket.id = locked.id
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """`tokens` may be spent. If they are fewer than wanted, more are available in `wait` seconds."""

    tokens: int
    wait: float = 0.0


class TokenBuckets:
    """The buckets in `table`, whose key has the columns `key`. `run` runs a statement and returns its rows."""

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
        """Takes the same number of tokens from all buckets of `rates` (tokens per second by key, not empty).

        Runs one atomic statement, and two more if a bucket has to be created first.
        """
        asked = self._columns(rates) | {"rates": list(rates.values())}
        parameters = asked | {"wanted": wanted, "useful": USEFUL}
        grant = self._granted(parameters)
        if grant is None:
            self._run(self._ensure, asked)
            grant = self._granted(parameters)
        return grant or Grant(0, MISSING_WAIT)

    def release(self, keys: Mapping[Key, float], *, tokens: int) -> None:
        """Returns tokens that were granted and not spent to all of the buckets."""
        self._run(self._release, self._columns(keys) | {"tokens": tokens})

    def _granted(self, parameters: Mapping[str, Any]) -> Grant | None:
        """None if a bucket has no row; then no tokens were taken."""
        for tokens, found, wait in self._run(self._acquire, parameters):
            if found == len(parameters["rates"]):
                return Grant(tokens, wait)
        return None

    def _columns(self, keys: Mapping[Key, float]) -> dict[str, Any]:
        return {column: list(values) for column, values in zip(self._key, zip(*keys, strict=True), strict=True)}
