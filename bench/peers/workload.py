"""The workload of a peer and the measurement of its cost. CPU is user + system time of the peer's own process."""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

WARM_UP = 10  # one message is sent before the measurement for every so many messages in it


def workload_run(prepare: Callable[[dict[str, Any]], Callable[[int], object]]) -> None:
    """Read the workload, warm up the sender that `prepare` returns, print {messages, seconds, cpu_seconds}."""
    workload = json.load(sys.stdin)
    send = prepare(workload)
    send(workload["count"] // WARM_UP)
    cpu, wall = cpu_seconds(), time.perf_counter()
    send(workload["count"])
    json.dump(
        {"messages": workload["count"], "seconds": time.perf_counter() - wall, "cpu_seconds": cpu_seconds() - cpu},
        sys.stdout,
    )


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system
