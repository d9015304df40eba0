"""The whole pipeline: API accept → rows → claim → encrypt → POST → settled, with everything on this machine.

`python -m bench.pipeline [--devices N …] [--latency S] [--rounds N]` stages a private service whose web push devices
all live on the sink, broadcasts to all of them, and reads the cost of workers and PostgreSQL from /proc.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

from bench.processes import tree_usage
from bench.senders import ROOT, sink
from pushhub.embedded.stage import Stage, stage

WAIT_SECONDS = 600
POLL_SECONDS = 0.1
WORKERS = ("dispatch", "registry")


def pipeline_run(*, sizes: Sequence[int], latency: float, rounds: int) -> list[dict[str, Any]]:
    """A row per size: medians over `rounds` broadcasts. Sizes grow the same population."""
    with sink(latency) as at, stage(SSL_CERT_FILE=at["ca"], PUSHHUB_RATE_LIMIT_PER_MINUTE="1000000") as running:
        rows = []
        have = 0
        for size in sorted(sizes):
            _populate(running, size - have, at["port"])
            have = size
            samples = [_broadcast(running) for _ in range(rounds)]
            rows.append(_row(size, latency, samples))
        return rows


def _populate(running: Stage, count: int, port: int) -> None:
    argv = [sys.executable, "-m", "bench.populate", str(count), f"https://127.0.0.1:{port}"]
    subprocess.run(argv, cwd=ROOT, env=dict(running.env), check=True)


def _broadcast(running: Stage) -> dict[str, float]:
    pids = {name: running.children[name].pid for name in WORKERS}
    postgres = running.cluster.postgres.process
    assert postgres is not None
    before = _cpu(pids.values()), _cpu([postgres.pid])
    started = time.perf_counter()
    made = _call(running, "/v1/notifications", {"to": {"all": True}, "content": {"title": "Bench", "body": "x" * 200}})
    while (seen := _call(running, f"/v1/notifications/{made['id']}"))["state"] != "completed":
        if time.perf_counter() - started > WAIT_SECONDS:
            raise SystemExit(f"not completed after {WAIT_SECONDS} s: {seen['counts']}")
        time.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - started
    counts = seen["counts"]
    if counts["accepted"] != sum(counts.values()):
        raise SystemExit(f"not all were accepted: {counts}")
    return {
        "deliveries": counts["accepted"],
        "seconds": seconds,
        "worker_cpu": _cpu(pids.values()) - before[0],
        "postgres_cpu": _cpu([postgres.pid]) - before[1],
        "worker_mb": max(tree_usage(pid).largest_mb for pid in pids.values()),
    }


def _row(size: int, latency: float, samples: list[dict[str, float]]) -> dict[str, Any]:
    def median(value: str) -> float:
        return statistics.median(sample[value] / sample["deliveries"] for sample in samples)

    return {
        "devices": size,
        "latency_ms": round(latency * 1000),
        "deliveries_per_second": round(1 / median("seconds")),
        "worker_us": round(median("worker_cpu") * 1e6),
        "postgres_us": round(median("postgres_cpu") * 1e6),
        "worker_mb": round(max(sample["worker_mb"] for sample in samples)),
    }


def _cpu(pids: Any) -> float:
    return sum(tree_usage(pid).cpu_seconds for pid in pids)


def _call(running: Stage, path: str, body: Any = None) -> dict[str, Any]:
    request = urllib.request.Request(running.url + path, data=json.dumps(body).encode() if body else None)
    request.add_header("Authorization", f"Bearer {running.server_key}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


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
