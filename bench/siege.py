"""`make siege`: injects every fault under load for as long as you choose, and reports the consequences.

Scenarios run in rounds, on a cluster of their own, in an order that the seed decides. A started round is finished, and
each scenario runs at least once. Exit code 1 when a message was lost, repeated without a reason, ended in a wrong state
or was miscounted. The logs of such a round are kept.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.faults.disk import cluster_on_small_disk
from bench.faults.installation import Installation, installation_start
from bench.faults.report import RoundReport
from bench.faults.round import NotFinished, Round
from bench.faults.scenarios import SCENARIOS
from bench.faults.skipped import Skipped

LATEST = Path(__file__).parent / "siege-latest.json"
TIMEOUT = 300.0  # seconds, and one more for every hundred deliveries
DISK_DELIVERIES = 10_000  # the small disk has space for so many
COLUMNS = (
    "scenario",
    "rounds",
    "deliveries",
    "accepted",
    "other ends",
    "kills",
    "in flight",
    "stalled",
    "repeated",
    "allowed",
    "unanswered",
    "lost",
    "counters equal",
    "seconds",
)


def main() -> None:
    given = _arguments()
    rng = random.Random(given.seed)
    began = time.monotonic()
    reports: dict[str, RoundReport] = {}
    print(f"Seed {given.seed}. {given.deliveries:,} deliveries a round; starting the service …", flush=True)
    with installation_start(given.deliveries) as installation:
        for name in _order(given.only or list(SCENARIOS), rng, began + given.minutes * 60):
            report = _round(installation, name, given.deliveries, rng)
            if name in reports:
                reports[name].add(report)
            else:
                reports[name] = report
    table = [_row(report) for report in reports.values()]
    _print(table)
    good = all(report.good for report in reports.values())
    latest = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": given.seed,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "good": good,
        "scenarios": table,
    }
    LATEST.write_text(json.dumps(latest, indent=1) + "\n")
    print(f"\n{'All guarantees were kept.' if good else 'Guarantees were broken, see above.'} Written to {LATEST}")
    sys.exit(0 if good else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make siege", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="no round begins after that (default 20)")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="a scenario, may be repeated (default: all)")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of every random choice")
    parser.add_argument("--deliveries", type=int, default=100_000, help="of each round's broadcast (default 100000)")
    return parser.parse_args()


def _order(names: list[str], rng: random.Random, end: float) -> Iterator[str]:
    """All names in random order, then again and again until the time is over."""
    yield from rng.sample(names, len(names))
    while True:
        for name in rng.sample(names, len(names)):
            if time.monotonic() > end:
                return
            yield name


def _round(installation: Installation, name: str, deliveries: int, rng: random.Random) -> RoundReport:
    try:
        if name != "full-disk":
            return _run(installation, name, deliveries, rng)
        deliveries = min(deliveries, DISK_DELIVERIES)
        with cluster_on_small_disk() as cluster, installation_start(deliveries, cluster=cluster) as small:
            return _run(small, name, deliveries, rng)
    except Skipped as reason:
        _log(f"       {name}: skipped, {reason}")
        return RoundReport(scenario=name, rounds=0, skipped=str(reason))


def _run(installation: Installation, name: str, deliveries: int, rng: random.Random) -> RoundReport:
    with tempfile.TemporaryDirectory(prefix="pushhub-siege-") as folder:
        round_ = Round(
            installation,
            scenario=name,
            deliveries=deliveries,
            folder=Path(folder),
            rng=rng,
            timeout=TIMEOUT + deliveries / 100,
            log=_log,
        )
        installation.support_start()
        try:
            SCENARIOS[name](round_)
            report = round_.finish()
        except NotFinished as late:
            report = RoundReport(scenario=name, deliveries=deliveries, lost=1, failures=[str(late)])
        _log(f"       {name}: {json.dumps(_row(report))}")
        if not report.good:
            logs = round_.logs_save(Path(tempfile.mkdtemp(prefix="pushhub-siege-logs-")) / name, report.failures)
            _log("\n".join(["       FAILED", *report.failures[:5], f"       all failures and logs: {logs}"]))
    return report


def _row(report: RoundReport) -> dict[str, Any]:
    ends = ", ".join(f"{number} {state}" for state, number in sorted(report.ended.items())) or "–"
    equal = "yes" if report.counters_equal else "NO"
    values = [
        report.scenario,
        report.rounds,
        report.deliveries,
        report.accepted,
        ends,
        report.kills,
        report.in_flight,
        report.stalled,
        report.repeated,
        report.allowed,
        report.unanswered,
        report.lost,
        equal,
        round(report.seconds),
    ]
    return dict(zip(COLUMNS, values, strict=True))


def _print(rows: list[dict[str, Any]]) -> None:
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in COLUMNS}
    print()
    for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]:
        print("  ".join(str(row[name]).rjust(width) for name, width in widths.items()))


def _log(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
