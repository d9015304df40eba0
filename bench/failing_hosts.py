"""A healthy push service beside one in trouble: `python -m bench.failing_hosts [--rounds N]`.

Two thirds of the devices live on a sink that answers after 20 ms, the others on one that hangs, or answers 503. A row
says how fast the healthy ones were served, from the POST until the last of them was accepted.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.pipeline import populate
from bench.senders import sink
from bench.tools.caller import Caller
from pushhub.embedded.stage import Stage, stage

HEALTHY = 4_000
TROUBLED = 2_000
LATENCY = 0.02
ANSWERS = {"hang": "hangs", "503": "answers 503"}
WAIT_SECONDS = 300
POLL_SECONDS = 0.02


def trouble_run(*, rounds: int) -> list[dict[str, Any]]:
    """A row for the healthy host alone and one beside each kind of trouble: medians over `rounds` broadcasts."""
    rows = []
    for answer, words in ANSWERS.items():
        with _stage(answer) as (running, healthy, troubled):
            populate(running, HEALTHY, healthy)
            _broadcast(running)  # connections open, caches fill
            alone = [_broadcast(running) for _ in range(rounds)]
            populate(running, TROUBLED, troubled)
            beside = [_broadcast(running) for _ in range(rounds)]
        rows.append(_row("alone", alone, alone))
        rows.append(_row(f"beside one that {words}", beside, alone))
    return rows


@contextmanager
def _stage(answer: str) -> Iterator[tuple[Stage, int, int]]:
    """A service that trusts both sinks, and their ports."""
    with sink(LATENCY) as healthy, sink(0.0, answer=answer) as troubled, TemporaryDirectory() as folder:
        both = Path(folder) / "ca.pem"
        both.write_text(Path(healthy["ca"]).read_text() + Path(troubled["own_ca"]).read_text())
        with stage(SSL_CERT_FILE=str(both), PUSHHUB_RATE_LIMIT_PER_MINUTE="1000000") as running:
            yield running, healthy["port"], troubled["port"]


def _broadcast(running: Stage) -> float:
    """Seconds until all healthy ones were accepted."""
    caller = Caller(running)
    begin = time.perf_counter()
    made = caller.call("/v1/notifications", {"to": {"all": True}, "content": {"title": "Bench", "body": "x" * 200}})
    while (counts := caller.call(f"/v1/notifications/{made['id']}")["counts"])["accepted"] < HEALTHY:
        if time.perf_counter() - begin > WAIT_SECONDS:
            raise SystemExit(f"the healthy host was not served within {WAIT_SECONDS} s: {counts}")
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - begin


def _row(name: str, samples: list[float], alone: list[float]) -> dict[str, Any]:
    seconds = statistics.median(samples)
    return {
        "healthy host": name,
        "deliveries_per_second": round(HEALTHY / seconds),
        "slowest round": round(HEALTHY / max(samples)),
        "of alone": round(statistics.median(alone) / seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.failing_hosts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    for row in trouble_run(rounds=given.rounds):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
