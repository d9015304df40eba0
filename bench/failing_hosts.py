"""A healthy push service while another one fails: `python -m bench.failing_hosts [--rounds N]`.

Two thirds of the devices are on a sink that answers after 20 ms, the others on a sink that hangs or answers 503. A row
has the delivery rate of the healthy sink, from the POST until its last delivery was accepted.
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
FAILING = 2_000
LATENCY = 0.02
RESPONSES = {"hang": "hangs", "503": "answers 503"}
WAIT_SECONDS = 300
POLL_SECONDS = 0.02


def failing_hosts_run(*, rounds: int) -> list[dict[str, Any]]:
    """Rows for the healthy host alone and together with each kind of failing host: medians over `rounds` broadcasts."""
    rows = []
    for response, words in RESPONSES.items():
        with _stage(response) as (running, healthy, failing):
            populate(running, HEALTHY, healthy)
            _broadcast(running)  # opens connections and fills caches
            alone = [_broadcast(running) for _ in range(rounds)]
            populate(running, FAILING, failing)
            together = [_broadcast(running) for _ in range(rounds)]
        rows.append(_row("alone", alone, alone))
        rows.append(_row(f"with one that {words}", together, alone))
    return rows


@contextmanager
def _stage(response: str) -> Iterator[tuple[Stage, int, int]]:
    """A service that trusts both sinks, and the ports of the sinks."""
    with sink(LATENCY) as healthy, sink(0.0, response=response) as failing, TemporaryDirectory() as folder:
        both = Path(folder) / "ca.pem"
        both.write_text(Path(healthy["ca"]).read_text() + Path(failing["own_ca"]).read_text())
        with stage(SSL_CERT_FILE=str(both), PUSHHUB_RATE_LIMIT_PER_MINUTE="1000000") as running:
            yield running, healthy["port"], failing["port"]


def _broadcast(running: Stage) -> float:
    """Seconds until all deliveries of the healthy sink were accepted."""
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
    for row in failing_hosts_run(rounds=given.rounds):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
