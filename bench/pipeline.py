"""The whole pipeline: API accept → rows → claim → encrypt → POST → settled, with everything on this machine.

`python -m bench.pipeline [--devices N …] [--latency S] [--rounds N]` stages a private service whose web push devices
are all on the sink, broadcasts to all of them, and reads the cost of workers and PostgreSQL from /proc.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from bench.senders import ROOT, sink
from bench.tools.caller import Caller
from bench.tools.gauge import Gauge
from pushhub.embedded.stage import Stage, stage

WAIT_SECONDS = 3_600
POLL_SECONDS = 0.1
PEAKS = ("worker_mb", "postgres_mb")  # the maximum over all rounds, not the median

# From acceptance by the API to the last settled result. Folding the counts into the notification takes another second.
_SETTLED_AFTER = """
SELECT extract(epoch FROM max(accepted_at) - n.created_at)::float8
FROM notifications_delivery d JOIN notifications_notification n ON n.id = d.notification_id WHERE n.id = %s
GROUP BY n.created_at
"""


@contextmanager
def pipeline_stage(latency: float, **settings: str) -> Iterator[tuple[Stage, int]]:
    """A service that trusts the sink, and the port of the sink."""
    with (
        sink(latency) as at,
        stage(SSL_CERT_FILE=at["ca"], PUSHHUB_RATE_LIMIT_PER_MINUTE="1000000", **settings) as running,
    ):
        yield running, at["port"]


def pipeline_run(*, sizes: Sequence[int], latency: float, rounds: int) -> list[dict[str, Any]]:
    """A row per size: medians over `rounds` broadcasts. Each size adds devices to the one before."""
    with pipeline_stage(latency) as (running, port):
        rows = []
        have = 0
        for size in sorted(sizes):
            populate(running, size - have, port)
            have = size
            rows.append({"latency_ms": round(latency * 1000)} | series_row(running, rounds=rounds))
        return rows


def series_row(running: Stage, *, rounds: int) -> dict[str, Any]:
    """Medians over `rounds` broadcasts to all existing devices."""
    samples = [broadcast(running) for _ in range(rounds)]
    return {
        name: (max if name in PEAKS else _median)([sample[name] for sample in samples])
        for name in samples[0]
        if name != "id"
    }


def populate(running: Stage, count: int, port: int) -> None:
    argv = [sys.executable, "-m", "bench.populate", running.tenant, str(count), f"https://127.0.0.1:{port}"]
    subprocess.run(argv, cwd=ROOT, env=dict(running.env), check=True)


def broadcast(running: Stage, *, meanwhile: Callable[[str], object] | None = None) -> dict[str, Any]:
    """One broadcast to all devices, and its cost. Until its completion `meanwhile` is called with its id repeatedly."""
    gauge, caller = Gauge.begin(running), Caller(running)
    started = time.perf_counter()
    made = caller.call("/v1/notifications", {"to": {"all": True}, "content": {"title": "Bench", "body": "x" * 200}})
    while (seen := caller.call(f"/v1/notifications/{made['id']}"))["state"] != "completed":
        if time.perf_counter() - started > WAIT_SECONDS:
            raise SystemExit(f"not completed after {WAIT_SECONDS} s: {seen['counts']}")
        gauge.sample()
        if meanwhile:
            meanwhile(made["id"])
        time.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - started
    accepted = seen["counts"]["accepted"]
    if accepted != sum(seen["counts"].values()):
        raise SystemExit(f"not all were accepted: {seen['counts']}")
    rates = {
        "settled_per_second": round(accepted / _settled_after(running, made["id"])),
        "completed_per_second": round(accepted / seconds),
    }
    return {"id": made["id"], "devices": accepted} | rates | gauge.row(accepted)


def _settled_after(running: Stage, notification_id: str) -> float:
    with psycopg.connect(running.cluster.postgres.url()) as connection:
        (seconds,) = connection.execute(_SETTLED_AFTER, [notification_id]).fetchone() or (0.0,)
    return float(seconds)


def _median(values: Sequence[float]) -> int:
    return round(statistics.median(values))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("--devices", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--latency", type=float, default=0.0, help="seconds the push service takes (default 0)")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    for row in pipeline_run(sizes=given.devices, latency=given.latency, rounds=given.rounds):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
