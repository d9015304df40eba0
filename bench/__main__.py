"""`make bench`: everything side by side. Prints tables and writes bench/latest.json; asserts nothing about time.

By default it takes half an hour, most of it for the peers and the scale. The large sizes are options: a million devices
(--devices 1000 10000 100000 1000000) add ten minutes, fifty million old deliveries (--old 50000000) half an hour and
20 GB of disk while they last.
"""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.accept import accept_run
from bench.bulk import bulk_run
from bench.fairness import fairness_run
from bench.flood import UPLOADERS, flood_run
from bench.images import stages_run
from bench.install import peers_install
from bench.latency import latency_run
from bench.pipeline import pipeline_run
from bench.scale import options_add, scale_run
from bench.senders import openssl_ecdh_us, senders_run
from bench.table import table_print
from bench.trouble import trouble_run

PARTS = ("senders", "pipeline", "trouble", "scale", "fairness", "accept", "bulk", "latency", "images", "flood")
LATEST = Path(__file__).parent / "latest.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="a part, may be repeated (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; medians are shown (default 5)")
    options_add(parser)
    given = parser.parse_args()
    parts = given.only or list(PARTS)
    report: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "openssl_ecdh_p256_us": openssl_ecdh_us(),
    }
    print(f"OpenSSL ECDH P-256, one core: {report['openssl_ecdh_p256_us']} µs (no web push sender can cost less)")
    if "senders" in parts:
        peers_install()
        report["senders"] = senders_run(given.rounds)
        _senders_print(report["senders"])
    if "pipeline" in parts:
        report["pipeline"] = [
            *pipeline_run(sizes=[10_000], latency=0.0, rounds=given.rounds),
            *pipeline_run(sizes=[10_000], latency=0.05, rounds=given.rounds),
        ]
        table_print("Whole pipeline: accept → rows → send → settled", report["pipeline"])
    if "trouble" in parts:
        report["trouble"] = trouble_run(rounds=given.rounds)
        table_print("A healthy push service beside one in trouble", report["trouble"])
    if "scale" in parts:
        report["scale"] = scale_run(devices=given.devices, lanes=given.lanes, old=given.old)
    if "fairness" in parts:
        report["fairness"] = fairness_run(devices=100_000)
    if "accept" in parts:
        report["accept"] = accept_run(seconds=10)
        table_print("Accept rate, 32 connections", report["accept"])
    if "bulk" in parts:
        report["bulk"] = bulk_run(devices=100_000)
        table_print("Import and export of 100,000 devices", report["bulk"])
    if "latency" in parts:
        report["latency"] = latency_run(rate=50, seconds=20.0, devices=50_000)
        table_print("50 POSTs a second, alone and beside two imports and ten slow senders", report["latency"])
    if "images" in parts:
        report["images"] = stages_run()
        print(
            f"\nA 12-megapixel JPEG to every thumbnail, and the local engine\n{json.dumps(report['images'], indent=1)}"
        )
    if "flood" in parts:
        report["flood"] = list(flood_run(seconds=20, uploaders=UPLOADERS))
        table_print("Single pushes while 12-megapixel pictures pour in", report["flood"])
    LATEST.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nWritten to {LATEST.relative_to(Path.cwd()) if LATEST.is_relative_to(Path.cwd()) else LATEST}")


def _senders_print(rows: list[dict[str, Any]]) -> None:
    ours = {(row["kind"], row["latency_ms"]): row["cpu_us"] for row in rows if row["sender"] == "pushhub"}
    shown = [
        row | {"× pushhub's CPU": round(row["cpu_us"] / ours[row["kind"], row["latency_ms"]], 1)}
        for row in sorted(rows, key=lambda row: (row["kind"], row["latency_ms"], row["cpu_us"]))
    ]
    table_print("Senders: encrypt, sign, POST", shown)


if __name__ == "__main__":
    main()
