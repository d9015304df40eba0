"""This checkout next to another one, pair by pair: CPU per delivery, and the 95 % interval of the ratio.

`python -m bench.pairs --against ../before [--pairs 15] [--devices 20000]` stages a service of each checkout with the
same devices and broadcasts on one and the other in turn; then it runs the senders alone in turn. The other checkout
needs `bench.pipeline` and `bench.ours`, and runs with this one's virtualenv. A ratio above 1 says that this checkout
costs more. CPU is that of workers and PostgreSQL.
"""

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.senders import ROOT, sink, workload_make
from bench.tools.table import table_print

PAIRS = 15
DEVICES = 20_000
MESSAGES = 20_000
RESAMPLES = 10_000

# Runs in either checkout: stages a service, then makes one broadcast for each line it reads.
_BROADCASTS = """
import json, os, sys
os.environ.setdefault("LOG_LEVEL", "WARNING")
from bench.pipeline import broadcast, pipeline_stage, populate
with pipeline_stage(float(sys.argv[2])) as (running, port):
    populate(running, int(sys.argv[1]), port)
    broadcast(running)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(broadcast(running)), flush=True)
"""

Measure = Callable[[], float]


def pairs_run(*, against: Path, pairs: int, devices: int) -> Iterator[dict[str, Any]]:
    """A row per measurement: medians of both checkouts in µs of CPU, and the ratio with its interval."""
    for latency in (0.0, 0.05):
        with ExitStack() as stack:
            here, there = (stack.enter_context(_broadcasts(at, devices, latency)) for at in (ROOT, against))
            yield {"what": f"pipeline, {latency * 1000:.0f} ms"} | pairs_row(here, there, pairs=pairs)
    for kind in ("webpush", "sns"):
        with sink(0.0) as at:
            workload = json.dumps(workload_make(**at) | {"count": MESSAGES})
            here, there = (_sender(checkout, kind, workload) for checkout in (ROOT, against))
            yield {"what": f"sender, {kind}"} | pairs_row(here, there, pairs=pairs)


def pairs_row(here: Measure, there: Measure, *, pairs: int) -> dict[str, Any]:
    """Each pair in a random order, so that neither always comes second."""
    found: list[tuple[float, float]] = []
    for number in range(pairs):
        if random.random() < 0.5:
            second, first = there(), here()
        else:
            first, second = here(), there()
        found.append((first, second))
        print(f"  pair {number + 1}/{pairs}: {first:.1f} and {second:.1f} µs", file=sys.stderr, flush=True)
    low, ratio, high = ratio_interval([first / second for first, second in found])
    return {
        "pairs": pairs,
        "here_us": round(statistics.median(first for first, _ in found), 1),
        "there_us": round(statistics.median(second for _, second in found), 1),
        "ratio": round(ratio, 3),
        "low": round(low, 3),
        "high": round(high, 3),
    }


def ratio_interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean between the ends of its 95 % interval, by bootstrap over the pairs."""
    logs = [math.log(ratio) for ratio in ratios]
    draw = random.Random(1)
    means = sorted(statistics.fmean(draw.choices(logs, k=len(logs))) for _ in range(RESAMPLES))
    ends = means[int(0.025 * RESAMPLES)], statistics.fmean(logs), means[int(0.975 * RESAMPLES)]
    low, middle, high = (math.exp(end) for end in ends)
    return low, middle, high


@contextmanager
def _broadcasts(checkout: Path, devices: int, latency: float) -> Iterator[Measure]:
    argv = [sys.executable, "-c", _BROADCASTS, str(devices), str(latency)]
    process = subprocess.Popen(argv, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    lines, asked = process.stdout, process.stdin

    def measure() -> float:
        asked.write("\n")
        asked.flush()
        row = json.loads(lines.readline())
        return float(row["worker_us"] + row["postgres_us"])

    try:
        if lines.readline().strip() != "ready":
            raise SystemExit(f"the service of {checkout} did not start")
        yield measure
    finally:
        asked.close()
        process.wait(60)


def _sender(checkout: Path, kind: str, workload: str) -> Measure:
    def measure() -> float:
        argv = [sys.executable, "-m", "bench.ours", kind]
        done = subprocess.run(
            argv, input=workload, text=True, capture_output=True, cwd=checkout, timeout=300, check=True
        )
        row = json.loads(done.stdout)
        return float(row["cpu_seconds"] / row["messages"] * 1e6)

    return measure


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.pairs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, required=True, help="the other checkout's folder")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--devices", type=int, default=DEVICES)
    given = parser.parse_args()
    rows = []
    for row in pairs_run(against=given.against.resolve(), pairs=given.pairs, devices=given.devices):
        print(json.dumps(row), flush=True)
        rows.append(row)
    table_print("This checkout next to the other", rows)


if __name__ == "__main__":
    main()
