"""`make bench`: all benchmarks. Prints tables and writes bench/latest.json. Asserts nothing about time.

By default it takes half an hour, most of it for the peers and the scale. The large sizes are options: a million devices
(--devices 1000 10000 100000 1000000) add ten minutes, fifty million old deliveries (--old 50000000) half an hour and,
temporarily, 20 GB of disk.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.accept import accept_run
from bench.bombs import bombs_run
from bench.bulk import bulk_run
from bench.failing_hosts import failing_hosts_run
from bench.fairness import fairness_run
from bench.flood import UPLOADERS, flood_run
from bench.images import stages_run
from bench.latency import latency_run
from bench.pipeline import pipeline_run
from bench.scale import options_add, scale_run
from bench.senders import agreement_us, openssl_ecdh_us, senders_run
from bench.tools.install import peers_install
from bench.tools.table import table_print

LATEST = Path(__file__).parent / "latest.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="a part, may be repeated (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; medians are shown (default 5)")
    options_add(parser)
    given = parser.parse_args()
    parts = [part for part in PARTS if part in (given.only or PARTS)]
    report: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "openssl_ecdh_p256_us": openssl_ecdh_us(),
        "key_agreement_us": agreement_us(),
    }
    print(
        f"OpenSSL ECDH P-256, one core: {report['openssl_ecdh_p256_us']} µs; "
        f"a message's new key and ECDH in pushhub's sender: {report['key_agreement_us']} µs"
    )
    for part in parts:
        report[part] = PARTS[part](given)
    LATEST.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nWritten to {LATEST.relative_to(Path.cwd()) if LATEST.is_relative_to(Path.cwd()) else LATEST}")


def _senders_print(rows: list[dict[str, Any]]) -> None:
    ours = {(row["kind"], row["latency_ms"]): row["cpu_us"] for row in rows if row["sender"] == "pushhub"}
    shown = [
        row | {"× pushhub's CPU": round(row["cpu_us"] / ours[row["kind"], row["latency_ms"]], 1)}
        for row in sorted(rows, key=lambda row: (row["kind"], row["latency_ms"], row["cpu_us"]))
    ]
    table_print("Senders: encrypt, sign, POST", shown)


def _senders(given: argparse.Namespace) -> Any:
    peers_install()
    rows = senders_run(given.rounds)
    _senders_print(rows)
    return rows


def _pipeline(given: argparse.Namespace) -> Any:
    rows = [
        row for latency in (0.0, 0.05) for row in pipeline_run(sizes=[10_000], latency=latency, rounds=given.rounds)
    ]
    return _shown("Whole pipeline: accept → rows → send → settled", rows)


def _images(_: argparse.Namespace) -> Any:
    found = stages_run()
    print(f"\nA 12-megapixel JPEG to every thumbnail, and the local engine\n{json.dumps(found, indent=1)}")
    return {"stages": found, "bombs": _shown("Bombs, refused", bombs_run())}


def _shown(title: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table_print(title, rows)
    return rows


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "senders": _senders,
    "pipeline": _pipeline,
    "failing-hosts": lambda given: _shown(
        "A healthy push service while another one fails", failing_hosts_run(rounds=given.rounds)
    ),
    "scale": lambda given: scale_run(devices=given.devices, lanes=given.lanes, old=given.old),
    "fairness": lambda _: fairness_run(devices=100_000),
    "accept": lambda _: _shown("Accept rate, 32 connections", accept_run(seconds=10)),
    "bulk": lambda _: _shown("Import and export of 100,000 devices", bulk_run(devices=100_000)),
    "latency": lambda _: _shown(
        "50 POSTs a second, alone and during two imports with ten slow clients",
        latency_run(rate=50, seconds=40.0, devices=100_000),
    ),
    "images": _images,
    "flood": lambda _: _shown(
        "Single pushes during a flood of 12-megapixel pictures", list(flood_run(seconds=20, uploaders=UPLOADERS))
    ),
}


if __name__ == "__main__":
    main()
