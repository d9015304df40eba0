"""The job of a peer, and how its cost is measured: CPU is user + system of the peer's own process."""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

WARM_UP = 10  # for so many messages, one is sent before the clock starts


def job_run(prepare: Callable[[dict[str, Any]], Callable[[int], object]]) -> None:
    """Read the job, `prepare` what sends a number of messages, warm it up, print {messages, seconds, cpu_seconds}."""
    job = json.load(sys.stdin)
    send = prepare(job)
    send(job["count"] // WARM_UP)
    cpu, wall = cpu_seconds(), time.perf_counter()
    send(job["count"])
    json.dump(
        {"messages": job["count"], "seconds": time.perf_counter() - wall, "cpu_seconds": cpu_seconds() - cpu},
        sys.stdout,
    )


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system
