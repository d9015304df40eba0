"""Every metric is used and has few labels. One process reports the metrics of all processes of a machine."""

import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import pytest

from pushhub.embedded.process import wait_until
from pushhub.embedded.stage import Stage
from pushhub.kernel.metrics import Metric
from pushhub.workers.worker_metrics import application

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("pushhub", "outgoing", "tenants", "devices", "notifications", "avatars", "events", "providers")
LABELS = {"provider", "outcome", "queue", "reason", "method", "status"}
COUNT_AND_DIE = """
import os
from pushhub.kernel.metrics import Metric, count, gauge
gauge(Metric.HOSTS_AWAY, 7)
count(Metric.APPS_PAUSED, provider="sns")
os.kill(os.getpid(), 9)
"""
PRINT_ALL = "from pushhub.kernel.metrics import exposition; print(exposition()[0].decode())"


@pytest.fixture(scope="module")
def sources() -> str:
    return "\n".join(file.read_text() for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("metric", Metric)
def test_every_metric_is_used(metric: Metric, sources: str) -> None:
    assert re.search(rf"\bMetric\.{metric.name}\b", sources)


def test_metrics_have_known_labels_only() -> None:
    assert {label for metric in Metric for label in metric.value.labels} <= LABELS


def test_the_counters_of_a_killed_process_stay_and_its_gauges_do_not(tmp_path: Path) -> None:
    env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "created")}
    subprocess.run([sys.executable, "-c", COUNT_AND_DIE], cwd=ROOT, env=env)
    printed = subprocess.run(
        [sys.executable, "-c", PRINT_ALL], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert 'pushhub_apps_paused_total{provider="sns"} 1.0' in printed.stdout
    assert "pushhub_hosts_away 7" not in printed.stdout


def test_the_web_process_reports_the_metrics_of_the_workers_too(service: Stage) -> None:
    def exposition() -> str:
        with urlopen(f"{service.url}/metrics", timeout=20) as response:
            return str(response.read().decode())

    assert wait_until(
        lambda: 'pushhub_task_seconds_count{outcome="success",queue="upkeep"}' in exposition(), seconds=60
    )


@pytest.mark.parametrize(
    ("path", "peer", "status"),
    [
        ("/metrics", "127.0.0.1", "200 OK"),
        ("/metrics", "203.0.113.9", "404 Not Found"),
        ("/livez", "127.0.0.1", "404 Not Found"),
    ],
)
def test_a_worker_gives_its_metrics_to_the_operator_only(path: str, peer: str, status: str) -> None:
    statuses = list[str]()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "REMOTE_ADDR": peer, "wsgi.input": BytesIO()}
    list(application(environ, lambda line, _: statuses.append(line)))
    assert statuses == [status]
