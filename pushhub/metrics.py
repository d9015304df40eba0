"""Every metric by name. Labels are few and closed (provider, outcome, queue, reason): never a tenant, a token or an
id."""

import os
from enum import Enum
from typing import Any, NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client import REGISTRY as PROCESS_REGISTRY

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
SIZES = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0)
LABELS = frozenset({"provider", "outcome", "queue", "reason", "method", "status"})


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
    DELIVERY_DELAY_SECONDS = Spec(Histogram, "From due to accepted by the vendor.", ("provider",), SLOW)
    CLAIM_SECONDS = Spec(Histogram, "One claim.", (), FAST)
    SETTLE_SECONDS = Spec(Histogram, "One settle.", (), FAST)
    SETTLE_ROWS = Spec(Histogram, "Rows of one settle.", (), SIZES)
    LEASES_LOST = Spec(Counter, "Results dropped because another worker held the row by then.")
    SENDS_IN_FLIGHT = Spec(Gauge, "Requests to vendors under way.", ("provider",))
    VENDOR_SECONDS = Spec(Histogram, "One request to a vendor.", ("provider", "outcome"), FAST)
    WAKE_FAILURES = Spec(Counter, "Wake-ups the broker did not take; beat finds the rows.", ("queue",))
    TASK_SECONDS = Spec(Histogram, "One task.", ("queue", "outcome"), SLOW)
    PROVISIONS = Spec(Counter, "Endpoints provisioned at SNS.", ("outcome",))
    ENDPOINTS_LOST = Spec(Counter, "Endpoints marked gone or disabled.", ("provider", "reason"))
    RECEIPTS = Spec(Counter, "Receipts and callbacks applied.", ("provider", "outcome"))
    HOLDS_OPENED = Spec(Counter, "Holds of an app's deliveries to a push origin.", ("reason",))
    HOLDS_RELEASED = Spec(Counter, "Holds released, by how they ended.", ("reason",))
    DELIVERIES_HELD = Spec(Counter, "Claimed deliveries put into a hold's lane.")
    BREAKERS_OPENED = Spec(Counter, "Hosts that a process stopped sending to, but for probes.", ("provider",))
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


_collectors: dict[Metric, Any] = {metric: _build(metric) for metric in Metric}


def count(metric: Metric, amount: float = 1, **labels: str) -> None:
    """Add to a counter; `labels` are exactly those of its Spec."""
    _of(metric, labels).inc(amount)


def observe(metric: Metric, value: float, **labels: str) -> None:
    """Add one value (seconds, rows) to a histogram."""
    _of(metric, labels).observe(value)


def gauge(metric: Metric, value: float, **labels: str) -> None:
    """Set a gauge of this process; several processes are summed."""
    _of(metric, labels).set(value)


def _of(metric: Metric, labels: dict[str, str]) -> Any:
    collector = _collectors[metric]
    return collector.labels(**labels) if metric.value.labels else collector


def exposition() -> tuple[bytes, str]:
    """The Prometheus text and its content type: of every process if PROMETHEUS_MULTIPROC_DIR is set, else of this
    one."""
    registry = PROCESS_REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
