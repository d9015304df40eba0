"""What is counted is counted somewhere, by few labels; all processes of a machine are told of by one of them."""

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

ROOT = Path(__file__).parents[2]
ROOMS = ("pushhub", "tenants", "devices", "notifications", "avatars", "events", "providers")
LABELS = {"provider", "outcome", "queue", "reason", "method", "status"}
COUNT_AND_DIE = """
import os
from pushhub.metrics import Metric, count, gauge
gauge(Metric.HOSTS_AWAY, 7)
count(Metric.APPS_PAUSED, provider="sns")
os.kill(os.getpid(), 9)
"""
TELL = "from pushhub.kernel.metrics import exposition; print(exposition()[0].decode())"


@pytest.mark.parametrize("metric", Metric)
def test_what_is_listed_is_counted(metric: Metric) -> None:
    sources = (file.read_text() for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    assert any(re.search(rf"\bMetric\.{metric.name}\b", source) for source in sources)


def test_labels_are_few_and_closed() -> None:
    assert {label for metric in Metric for label in metric.value.labels} <= LABELS


def test_a_killed_process_is_in_no_gauge_and_in_every_counter(tmp_path: Path) -> None:
    env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "made")}
    subprocess.run([sys.executable, "-c", COUNT_AND_DIE], cwd=ROOT, env=env)
    told = subprocess.run([sys.executable, "-c", TELL], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert 'pushhub_apps_paused_total{provider="sns"} 1.0' in told.stdout
    assert "pushhub_hosts_away 7" not in told.stdout


def test_the_web_tells_of_the_workers_beside_it(service: Stage) -> None:
    def told() -> str:
        with urlopen(f"{service.url}/metrics", timeout=20) as answer:
            return str(answer.read().decode())

    assert wait_until(lambda: 'pushhub_task_seconds_count{outcome="success",queue="upkeep"}' in told(), seconds=60)


@pytest.mark.parametrize(
    ("path", "peer", "status"),
    [
        ("/metrics", "127.0.0.1", "200 OK"),
        ("/metrics", "203.0.113.9", "404 Not Found"),
        ("/livez", "127.0.0.1", "404 Not Found"),
    ],
)
def test_a_worker_tells_the_operator_alone(path: str, peer: str, status: str) -> None:
    answered = list[str]()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "REMOTE_ADDR": peer, "wsgi.input": BytesIO()}
    list(application(environ, lambda line, _: answered.append(line)))
    assert answered == [status]
