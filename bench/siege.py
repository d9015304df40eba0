"""`make siege`: everything that may go wrong, for as long as you choose, and the account of it.

Scenarios run in rounds, in an order that the seed decides, on a cluster of their own; a round that has begun is
finished, and each scenario runs at least once. Exit code 1 when anything was lost, repeated beyond what was in the air,
ended wrongly or was miscounted: that round's logs are kept.
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

from bench.faults.account import Account
from bench.faults.disk import cluster_on_small_disk
from bench.faults.round import NotOver, Round
from bench.faults.scenarios import SCENARIOS
from bench.faults.scene import Scene, scene
from bench.faults.skipped import Skipped

LATEST = Path(__file__).parent / "siege-latest.json"
PATIENCE = 300.0  # seconds, and a second more for every hundred deliveries
DISK_DELIVERIES = 10_000  # so many fit on the small disk
COLUMNS = (
    "scenario",
    "rounds",
    "deliveries",
    "accepted",
    "other ends",
    "kills",
    "in the air",
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
    chance = random.Random(given.seed)
    began = time.monotonic()
    accounts: dict[str, Account] = {}
    print(f"Seed {given.seed}. {given.deliveries:,} deliveries a round; setting the scene …", flush=True)
    with scene(given.deliveries) as on:
        for name in _order(given.only or list(SCENARIOS), chance, began + given.minutes * 60):
            account = _round(on, name, given.deliveries, chance)
            if name in accounts:
                accounts[name].add(account)
            else:
                accounts[name] = account
    table = [_row(account) for account in accounts.values()]
    _print(table)
    good = all(account.good for account in accounts.values())
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": given.seed,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "good": good,
        "scenarios": table,
    }
    LATEST.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{'All is well.' if good else 'Promises were broken, see above.'} Written to {LATEST}")
    sys.exit(0 if good else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make siege", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="no round begins after that (default 20)")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="a scenario, may be repeated (default: all)")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="the order, and every choice")
    parser.add_argument("--deliveries", type=int, default=100_000, help="of each round's broadcast (default 100000)")
    return parser.parse_args()


def _order(names: list[str], chance: random.Random, end: float) -> Iterator[str]:
    """All of them in some order, then again, until the time is over."""
    yield from chance.sample(names, len(names))
    while True:
        for name in chance.sample(names, len(names)):
            if time.monotonic() > end:
                return
            yield name


def _round(on: Scene, name: str, deliveries: int, chance: random.Random) -> Account:
    try:
        if name != "disk":
            return _play(on, name, deliveries, chance)
        deliveries = min(deliveries, DISK_DELIVERIES)
        with cluster_on_small_disk() as cluster, scene(deliveries, cluster=cluster) as small:
            return _play(small, name, deliveries, chance)
    except Skipped as reason:
        _say(f"       {name}: skipped, {reason}")
        return Account(scenario=name, rounds=0, skipped=str(reason))


def _play(on: Scene, name: str, deliveries: int, chance: random.Random) -> Account:
    with tempfile.TemporaryDirectory(prefix="pushhub-siege-") as folder:
        round_ = Round(
            on,
            scenario=name,
            deliveries=deliveries,
            folder=Path(folder),
            chance=chance,
            patience=PATIENCE + deliveries / 100,
            say=_say,
        )
        on.support_start()
        try:
            SCENARIOS[name](round_)
            account = round_.finish()
        except NotOver as late:
            account = Account(scenario=name, deliveries=deliveries, lost=1, wrong=[str(late)])
        _say(f"       {name}: {json.dumps(_row(account))}")
        if not account.good:
            kept = round_.logs_keep(Path(tempfile.mkdtemp(prefix="pushhub-siege-kept-")) / name, account.wrong)
            _say("\n".join(["       WRONG", *account.wrong[:5], f"       everything about it: {kept}"]))
    return account


def _row(account: Account) -> dict[str, Any]:
    ends = ", ".join(f"{number} {state}" for state, number in sorted(account.ended.items())) or "–"
    equal = "yes" if account.counters_equal else "NO"
    values = [
        account.scenario,
        account.rounds,
        account.deliveries,
        account.accepted,
        ends,
        account.kills,
        account.sending,
        account.stalled,
        account.repeated,
        account.allowed,
        account.unanswered,
        account.lost,
        equal,
        round(account.seconds),
    ]
    return dict(zip(COLUMNS, values, strict=True))


def _print(rows: list[dict[str, Any]]) -> None:
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in COLUMNS}
    print()
    for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]:
        print("  ".join(str(row[name]).rjust(width) for name, width in widths.items()))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
