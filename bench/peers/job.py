"""The job of a peer, and how its cost is measured: CPU is user + system of the peer's own process."""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


def job_run(send: Callable[[dict[str, Any]], None]) -> None:
    """Read the job, warm up with 20 messages, send `count`, print {messages, seconds, cpu_seconds}."""
    job = json.load(sys.stdin)
    send(job | {"count": 20})
    cpu, wall = cpu_seconds(), time.perf_counter()
    send(job)
    json.dump(
        {"messages": job["count"], "seconds": time.perf_counter() - wall, "cpu_seconds": cpu_seconds() - cpu},
        sys.stdout,
    )


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system
