"""Measures what some work costs the staged service: CPU of workers and PostgreSQL, memory, WAL and disk."""

import time
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg

from bench.tools.processes import tree_usage
from pushhub.embedded.stage import Stage

WORKERS = ("dispatch", "registry")
MEMORY_EVERY = 1.0  # seconds between samples of memory: a sample costs some ms

_TOTALS = """
SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
       (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits
        WHERE inhparent = 'notifications_delivery'::regclass)
"""


@dataclass
class Gauge:
    """`begin`, call `sample` during the work, read `row` at its end. Memory is the largest sample."""

    running: Stage
    worker_mb: float = 0.0
    postgres_mb: float = 0.0
    _before: tuple[float, ...] = field(init=False)
    _sampled_at: float = 0.0

    @classmethod
    def begin(cls, running: Stage) -> Self:
        gauge = cls(running)
        gauge._before = gauge._totals()
        return gauge

    def sample(self) -> None:
        now = time.monotonic()
        if now - self._sampled_at >= MEMORY_EVERY:
            self._sampled_at = now
            self.worker_mb = max(self.worker_mb, *(tree_usage(pid).largest_mb for pid in self._workers()))
            self.postgres_mb = max(self.postgres_mb, tree_usage(self._postgres()).shared_out_mb)

    def row(self, deliveries: int) -> dict[str, Any]:
        """CPU in µs, WAL and disk in bytes, each per delivery. `deliveries` is their number."""
        self._sampled_at = 0.0
        self.sample()
        worker, postgres, wal, disk = (
            (after - before) / deliveries for before, after in zip(self._before, self._totals(), strict=True)
        )
        return {
            "worker_us": round(worker * 1e6),
            "postgres_us": round(postgres * 1e6),
            "wal_bytes": round(wal),
            "disk_bytes": round(disk),
            "worker_mb": round(self.worker_mb),
            "postgres_mb": round(self.postgres_mb),
        }

    def _totals(self) -> tuple[float, ...]:
        with psycopg.connect(self.running.cluster.postgres.url()) as connection:
            wal, disk = connection.execute(_TOTALS).fetchone() or (0, 0)
        workers = sum(tree_usage(pid).cpu_seconds for pid in self._workers())
        return workers, tree_usage(self._postgres()).cpu_seconds, float(wal), float(disk)

    def _workers(self) -> list[int]:
        return [self.running.children[name].pid for name in WORKERS]

    def _postgres(self) -> int:
        process = self.running.cluster.postgres.process
        assert process is not None
        return process.pid
