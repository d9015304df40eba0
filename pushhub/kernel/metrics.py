"""All metrics. Labels have few, known values (provider, outcome, queue, reason): never a tenant, a token or an id.

With PROMETHEUS_MULTIPROC_DIR each process keeps its numbers in files of that folder, and each can report all of them.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client import Metric as PrometheusMetric

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
SIZES = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0)


class Spec(NamedTuple):
    kind: type[Counter] | type[Gauge] | type[Histogram]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


class Metric(Enum):
    """A metric's wire name is `pushhub_` and the member's name in lower case. Prometheus adds `_total` to counters."""

    HTTP_REQUESTS = Spec(Counter, "HTTP requests.", ("method", "status"))
    HTTP_SECONDS = Spec(Histogram, "Duration of an HTTP request.", ("method",), FAST)
    AUTHENTICATION_FAILURES = Spec(Counter, "Requests with refused credentials.", ("reason",))
    THROTTLED = Spec(Counter, "Requests refused with 429.")
    THROTTLE_FAIL_OPEN = Spec(Counter, "Requests allowed without a count because Valkey was unavailable.")
    NOTIFICATIONS_ACCEPTED = Spec(Counter, "Notifications accepted (202).")
    DELIVERIES_EXPANDED = Spec(Counter, "Delivery rows written by expansion.")
    DELIVERIES_CLAIMED = Spec(Counter, "Delivery rows claimed for sending.")
    DELIVERIES_SETTLED = Spec(Counter, "Deliveries settled with a vendor's response.", ("provider", "outcome"))
    DELIVERY_DELAY_SECONDS = Spec(
        Histogram,
        "From a notification's start until the vendor accepts it; one value for all deliveries of a settle.",
        (),
        SLOW,
    )
    CLAIM_SECONDS = Spec(Histogram, "Duration of a claim.", (), FAST)
    SETTLE_SECONDS = Spec(Histogram, "Duration of a settle.", (), FAST)
    SETTLE_ROWS = Spec(Histogram, "Number of rows in a settle.", (), SIZES)
    LEASES_LOST = Spec(Counter, "Results dropped because the row had another lease or had changed.")
    SENDS_IN_FLIGHT = Spec(Gauge, "Requests to vendors in flight; at most PUSHHUB_WINDOW per process.")
    VENDOR_SECONDS = Spec(
        Histogram, "Duration of a request to a vendor; one value for responses that come together.", ("provider",), FAST
    )
    WAKE_FAILURES = Spec(Counter, "Wake-ups that the broker did not take; beat finds their rows.", ("queue",))
    TASK_SECONDS = Spec(Histogram, "Duration of a task.", ("queue", "outcome"), SLOW)
    PROVISIONS = Spec(Counter, "Endpoints updated at SNS, by their new state.", ("outcome",))
    ENDPOINTS_CHANGED = Spec(Counter, "Endpoints that became active, suspect, disabled or gone.", ("outcome",))
    RECEIPTS = Spec(Counter, "Deliveries updated by receipts and callbacks, by their new state.", ("outcome",))
    HOLDS_OPENED = Spec(Counter, "Holds opened for an app's deliveries to a push origin.", ("reason",))
    HOLDS_RELEASED = Spec(Counter, "Holds released, by the reason of the release.", ("reason",))
    DELIVERIES_DIVERTED = Spec(Counter, "Claimed deliveries moved to a hold's lane.")
    CIRCUIT_BREAKERS_OPENED = Spec(
        Counter, "Circuit breakers opened: the process sends only probes to the host.", ("provider",)
    )
    HOSTS_AWAY = Spec(Gauge, "Hosts to which only probes are sent; each process counts its own.")
    APPS_PAUSED = Spec(Counter, "Apps paused as misconfigured.", ("provider",))

    @property
    def wire_name(self) -> str:
        return f"pushhub_{self.name.lower()}"


def _build(metric: Metric) -> Any:
    spec = metric.value
    if spec.kind is Histogram:
        return Histogram(metric.wire_name, spec.help, spec.labels, buckets=spec.buckets)
    if spec.kind is Gauge:
        return Gauge(metric.wire_name, spec.help, spec.labels, multiprocess_mode="livesum")
    return Counter(metric.wire_name, spec.help, spec.labels)


if _folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    Path(_folder).mkdir(parents=True, exist_ok=True)
_collectors: dict[Metric, Any] = {metric: _build(metric) for metric in Metric}


def count(metric: Metric, amount: float = 1, **labels: str) -> None:
    """Adds to a counter. `labels` are exactly those of its Spec."""
    _of(metric, labels).inc(amount)


def observe(metric: Metric, value: float, **labels: str) -> None:
    """Adds one value (seconds, rows) to a histogram."""
    _of(metric, labels).observe(value)


@contextmanager
def timed(metric: Metric, **labels: str) -> Iterator[None]:
    """Observes the duration of the block in seconds, unless the block raises."""
    started = time.perf_counter()
    yield
    observe(metric, time.perf_counter() - started, **labels)


def gauge(metric: Metric, value: float, **labels: str) -> None:
    """Sets this process's gauge. The values of all processes are added up."""
    _of(metric, labels).set(value)


def _of(metric: Metric, labels: dict[str, str]) -> Any:
    collector = _collectors[metric]
    return collector.labels(**labels) if metric.value.labels else collector


class _SharedFolder:
    """The numbers of all processes that share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[PrometheusMetric]:
        self._gauges_drop_ended()
        files = [str(file) for file in self._folder.glob("*.db") if _is_written(file)]
        merged: Iterable[PrometheusMetric] = multiprocess.MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged

    def _gauges_drop_ended(self) -> None:
        """Gauges show the present, but a killed process leaves its gauges behind."""
        for pid in {int(file.stem.rpartition("_")[2]) for file in self._folder.glob("gauge_live*.db")}:
            if not Path(f"/proc/{pid}").exists():
                multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _is_written(file: Path) -> bool:
    """False for the file of a process that is just starting: it creates the file, then writes the length into it."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def exposition() -> tuple[bytes, str]:
    """The Prometheus text and its content type. With PROMETHEUS_MULTIPROC_DIR it covers all processes, otherwise this
    one."""
    return generate_latest(_SharedFolder(Path(_folder)) if _folder else REGISTRY), CONTENT_TYPE_LATEST
