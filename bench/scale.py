"""The cost of size: growing broadcasts, reads of the largest, thousands of idle lanes, millions of old deliveries,
retention.

`python -m bench.scale [--devices N …] [--lanes N] [--old N]` stages a private service whose push service answers at
once. PostgreSQL itself makes the rows. The result is CPU per delivery; times depend on this machine, which runs
everything. A million devices take minutes and 2 GB of disk, fifty million old deliveries a quarter of an hour and
20 GB.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from bench import old_data
from bench.pipeline import broadcast, pipeline_stage, populate, series_row
from bench.senders import ROOT
from bench.tools.caller import Caller
from bench.tools.gauge import Gauge
from bench.tools.table import table_print
from pushhub.embedded.stage import Stage

DEVICES = (1_000, 10_000, 100_000)
LANES = 10_000
OLD = 1_000_000
READS = 50
READ_EVERY = 2.0  # seconds
SINGLES = 500  # notifications to one device, one after the other
HUNDREDS = (50, 400)  # notifications to so many devices each
INTERLEAVED = 2
CONTENT = {"title": "Bench", "body": "x" * 200}
Rows = list[dict[str, Any]]

# Asks the notifications by key: open deliveries cannot be found without reading the old ones.
_OPEN = "SELECT 1 FROM notifications_notification WHERE id = ANY (%s::uuid[]) AND completed_at IS NULL LIMIT 1"


def scale_run(*, devices: Sequence[int] = DEVICES, lanes: int = LANES, old: int = OLD) -> dict[str, Rows]:
    """Tables by name. Each is printed when it is complete."""
    tables: dict[str, Rows] = {}

    def done(name: str, title: str, rows: Rows) -> None:
        tables[name] = rows
        table_print(title, rows)

    with pipeline_stage(0.0) as (running, port):
        series, reads = _series(running, port, sorted(devices))
        done("series", "Broadcasts: per delivery; MB of the largest worker and of all of PostgreSQL", series)
        done("reads", f"Reading a notification of {max(devices):,} deliveries: whole requests", reads)
        done("lanes", "Notifications to one device each, with many lanes without work", _lanes(running, lanes))
        done("old", "Notifications to one device, and to hundreds, with old deliveries", _old(running, old))
        done("retention", "Days dropped while notifications are sent", _retention(running))
    return tables


def _series(running: Stage, port: int, sizes: Sequence[int]) -> tuple[Rows, Rows]:
    """The reads are of the largest broadcast, during and after its sending."""
    rows, have = [], 0
    for size in sizes[:-1]:
        _log(f"{size:,} devices")
        populate(running, size - have, port)
        have = size
        rows.append(series_row(running, rounds=max(1, min(5, 300_000 // size))))
    _log(f"{sizes[-1]:,} devices")
    populate(running, sizes[-1] - have, port)
    reads = _Reads(running)
    last = broadcast(running, meanwhile=reads.take_sometimes)
    id_ = last.pop("id")
    for _ in range(READS):
        reads.take("afterwards", id_)
    return [*rows, last], reads.rows()


class _Reads:
    """Times of whole requests over one open connection. `/livez` shows the cost of a minimal request."""

    def __init__(self, running: Stage) -> None:
        self._caller = Caller(running)
        self._times: dict[tuple[str, str], list[float]] = {}
        self._taken_at = 0.0

    def take_sometimes(self, id_: str) -> None:
        """Rarely enough that the reads do not affect the cost of the broadcast."""
        if time.monotonic() - self._taken_at >= READ_EVERY:
            self.take("while it is sent", id_)
            self._taken_at = time.monotonic()

    def take(self, when: str, id_: str) -> None:
        paths = {
            "/livez": "/livez",
            "the notification": f"/v1/notifications/{id_}",
            "deliveries": f"/v1/notifications/{id_}/deliveries",
            "dead deliveries": f"/v1/notifications/{id_}/deliveries?state=dead",
        }
        for name, path in paths.items():
            self._caller.call(path)
            self._times.setdefault((when, name), []).append(self._caller.seconds * 1000)

    def rows(self) -> Rows:
        return [
            {
                "read": name,
                "when": when,
                "p50_ms": round(statistics.median(times), 1),
                "p95_ms": round(sorted(times)[len(times) * 95 // 100], 1),
            }
            for (when, name), times in self._times.items()
        ]


def _lanes(running: Stage, count: int) -> Rows:
    """Interleaved, so that noise affects all cases equally."""
    cases = [("10 idle", 10, False), (f"{count:,} idle", count, False), (f"{count:,} waiting", count, True)]
    samples: dict[str, Rows] = {}
    for _ in range(INTERLEAVED):
        for name, number, waiting in cases:
            _log(f"{name} lanes")
            with old_data.lanes(running, number, waiting=waiting):
                samples.setdefault(name, []).append(_sent(running, SINGLES, 1))
    return [{"lanes": name} | _medians(found) for name, found in samples.items()]


def _old(running: Stage, count: int) -> Rows:
    rows = [{"old": 0, "days": 0} | _singles_and_hundreds(running)]
    old_data.days_make(running)
    rows.append({"old": 0, "days": old_data.DAYS} | _singles_and_hundreds(running))
    before = old_data.deliveries_size(running)
    old_data.deliveries_make(running, count)
    after = old_data.deliveries_size(running)
    rows.append({"old": count, "days": old_data.DAYS} | _singles_and_hundreds(running))
    whole, table = ((now - then) / count for now, then in zip(after, before, strict=True))
    _log(f"an old delivery takes {table:.0f} bytes, {whole:.0f} with its indexes")
    return rows


def _singles_and_hundreds(running: Stage) -> dict[str, Any]:
    """CPU of PostgreSQL and of the workers, µs: for a notification to one device, and for each delivery of hundreds."""
    _log("sending")
    found: dict[str, Any] = {}
    for name, (requests, each) in {"single": (SINGLES, 1), "each": HUNDREDS}.items():
        row = _medians([_sent(running, requests, each) for _ in range(INTERLEAVED)])
        found |= {f"{name}_postgres_us": row["postgres_us"], f"{name}_worker_us": row["worker_us"]}
    return found


def _sent(running: Stage, requests: int, each: int, between: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Notifications to `each` devices, one after the other: CPU per delivery, and the time until acceptance."""
    devices = _query(running, "SELECT device_id::text FROM devices_device ORDER BY id LIMIT %s", each)
    body = {"to": {"devices": [name for (name,) in devices]}, "content": CONTENT}
    caller, gauge = Caller(running), Gauge.begin(running)
    ids = []
    for _ in range(requests):
        ids.append(caller.call("/v1/notifications", body)["id"])
        between()
    while _query(running, _OPEN, ids):
        time.sleep(0.1)
    cost = gauge.row(len(ids) * len(devices))
    delays = _query(
        running,
        "SELECT extract(epoch FROM accepted_at - n.created_at)::float8 * 1000 FROM notifications_delivery d"
        " JOIN notifications_notification n ON n.id = d.notification_id WHERE n.id = ANY (%s) ORDER BY 1",
        ids,
    )
    return {
        "worker_us": cost["worker_us"],
        "postgres_us": cost["postgres_us"],
        "accepted_after_p50_ms": round(delays[len(delays) // 2][0]),
        "accepted_after_max_ms": round(delays[-1][0]),
    }


def _retention(running: Stage) -> Rows:
    """Make every past day too old at once. A worker drops them all, as it otherwise drops one a day."""
    days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'notifications_delivery'::regclass"
    ((before,),) = _query(running, days)
    size, _ = old_data.deliveries_size(running)
    rows = [{"days_dropped": 0, "gigabytes": 0.0, "seconds": 0.0} | _sent(running, SINGLES, 1)]
    running.kill("registry")
    running.env = {**running.env, "PUSHHUB_DELIVERY_RETENTION_DAYS": "0"}
    running.start("registry")
    call = "-m celery -A pushhub.workers.celery call notifications.tasks.minutes --queue upkeep"
    subprocess.run(
        [sys.executable, *call.split()], cwd=ROOT, env=dict(running.env), check=True, stdout=subprocess.DEVNULL
    )
    started = time.monotonic()
    ended: list[float] = []

    def check() -> None:
        if not ended and _query(running, days)[0][0] <= before - old_data.DAYS:
            ended.append(time.monotonic() - started)

    sent = _sent(running, SINGLES, 1, check)
    while not ended:
        time.sleep(0.1)
        check()
    gigabytes = round((size - old_data.deliveries_size(running)[0]) / 1e9, 1)
    return [*rows, {"days_dropped": old_data.DAYS, "gigabytes": gigabytes, "seconds": round(ended[0], 1)} | sent]


def _medians(samples: Rows) -> dict[str, Any]:
    return {name: round(statistics.median(sample[name] for sample in samples)) for name in samples[0]}


def _query(running: Stage, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(running.cluster.postgres.url(), autocommit=True) as connection:
        return connection.execute(statement, parameters).fetchall()


def _log(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    options_add(parser)
    given = parser.parse_args()
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    print(json.dumps(scale_run(devices=given.devices, lanes=given.lanes, old=given.old)))


def options_add(parser: argparse.ArgumentParser) -> None:
    sizes = "sizes of the broadcasts, default 1000 10000 100000"
    parser.add_argument("--devices", type=int, nargs="+", default=DEVICES, metavar="N", help=sizes)
    parser.add_argument("--lanes", type=int, default=LANES, metavar="N", help="idle lanes, default 10000")
    parser.add_argument("--old", type=int, default=OLD, metavar="N", help="old deliveries, default 1000000")


if __name__ == "__main__":
    main()
