"""Every metric by name. Labels are few and closed (provider, outcome, queue, reason): never a tenant, a token or an id.

With PROMETHEUS_MULTIPROC_DIR processes keep their numbers in files of that folder, and each can tell of all.
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
    """`pushhub_` and the member's name in lower case; counters end in `_total` on the wire."""

    HTTP_REQUESTS = Spec(Counter, "Requests answered.", ("method", "status"))
    HTTP_SECONDS = Spec(Histogram, "Time to answer a request.", ("method",), FAST)
    AUTHENTICATION_FAILURES = Spec(Counter, "Credentials refused.", ("reason",))
    THROTTLED = Spec(Counter, "Requests answered 429.")
    THROTTLE_FAIL_OPEN = Spec(Counter, "Requests let through uncounted because Valkey was away.")
    NOTIFICATIONS_ACCEPTED = Spec(Counter, "Notifications taken (202).")
    DELIVERIES_EXPANDED = Spec(Counter, "Delivery rows written by expansion.")
    DELIVERIES_CLAIMED = Spec(Counter, "Delivery rows claimed for sending.")
    DELIVERIES_SETTLED = Spec(Counter, "Deliveries settled by what the vendor said.", ("provider", "outcome"))
    DELIVERY_DELAY_SECONDS = Spec(
        Histogram, "From a notification's start to accepted by the vendor; once for all that a settle holds.", (), SLOW
    )
    CLAIM_SECONDS = Spec(Histogram, "One claim.", (), FAST)
    SETTLE_SECONDS = Spec(Histogram, "One settle.", (), FAST)
    SETTLE_ROWS = Spec(Histogram, "Rows of one settle.", (), SIZES)
    LEASES_LOST = Spec(Counter, "Results dropped because another worker held the row by then.")
    SENDS_IN_FLIGHT = Spec(Gauge, "Requests to vendors under way, of PUSHHUB_WINDOW a process.")
    VENDOR_SECONDS = Spec(Histogram, "One request to a vendor; of several answered at once, one.", ("provider",), FAST)
    WAKE_FAILURES = Spec(Counter, "Wake-ups the broker did not take; beat finds the rows.", ("queue",))
    TASK_SECONDS = Spec(Histogram, "One task.", ("queue", "outcome"), SLOW)
    PROVISIONS = Spec(Counter, "Endpoints brought in line at SNS, by the state they are in then.", ("outcome",))
    ENDPOINTS_CHANGED = Spec(Counter, "Endpoints that became active, suspect, disabled or gone.", ("outcome",))
    RECEIPTS = Spec(Counter, "Deliveries raised by receipts and callbacks, by their new state.", ("outcome",))
    HOLDS_OPENED = Spec(Counter, "Holds of an app's deliveries to a push origin.", ("reason",))
    HOLDS_RELEASED = Spec(Counter, "Holds released, by how they ended.", ("reason",))
    DELIVERIES_DIVERTED = Spec(Counter, "Claimed deliveries put into a hold's lane.")
    CIRCUIT_BREAKERS_OPENED = Spec(Counter, "Hosts that a process stopped sending to, but for probes.", ("provider",))
    HOSTS_AWAY = Spec(Gauge, "Hosts that are only probed now; each process counts its own.")
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
    """Add to a counter; `labels` are exactly those of its Spec."""
    _of(metric, labels).inc(amount)


def observe(metric: Metric, value: float, **labels: str) -> None:
    """Add one value (seconds, rows) to a histogram."""
    _of(metric, labels).observe(value)


@contextmanager
def timed(metric: Metric, **labels: str) -> Iterator[None]:
    """Observe the seconds of what happens inside, unless it fails."""
    started = time.perf_counter()
    yield
    observe(metric, time.perf_counter() - started, **labels)


def gauge(metric: Metric, value: float, **labels: str) -> None:
    """Set a gauge of this process; several processes are summed."""
    _of(metric, labels).set(value)


def _of(metric: Metric, labels: dict[str, str]) -> Any:
    collector = _collectors[metric]
    return collector.labels(**labels) if metric.value.labels else collector


class _Shared:
    """What all processes have counted in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[PrometheusMetric]:
        self._forget_ended()
        begun = [str(file) for file in self._folder.glob("*.db") if _has_begun(file)]
        merged: Iterable[PrometheusMetric] = multiprocess.MultiProcessCollector.merge(begun)  # type: ignore[no-untyped-call]
        return merged

    def _forget_ended(self) -> None:
        """A process that was killed is still in the gauges, which say what is so now."""
        for pid in {int(file.stem.rpartition("_")[2]) for file in self._folder.glob("gauge_live*.db")}:
            if not Path(f"/proc/{pid}").exists():
                multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _has_begun(file: Path) -> bool:
    """A process that is just starting makes its file a moment before it writes the length that stands first in it."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def exposition() -> tuple[bytes, str]:
    """The Prometheus text and its content type: of every process if PROMETHEUS_MULTIPROC_DIR is set, else of this
    one."""
    return generate_latest(_Shared(Path(_folder)) if _folder else REGISTRY), CONTENT_TYPE_LATEST
