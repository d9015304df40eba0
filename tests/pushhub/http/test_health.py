"""Liveness and readiness are separate, and probes may use an IP address as host. Only operators may read metrics."""

from pathlib import Path
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django.fixtures import Settings

from pushhub.http import health


@pytest.fixture(autouse=True)
def _fresh_migrations_check() -> None:
    health.migrations_check.cache_clear()


def _fails() -> None:
    raise OperationalError("unavailable")


def test_livez_uses_no_database_and_checks_no_host() -> None:
    assert Client().get("/livez", headers={"host": "10.1.2.3:8000"}).status_code == 200


def test_readyz_responds_200_when_all_parts_work(db: None) -> None:
    assert Client().get("/readyz", headers={"host": "10.1.2.3:8000"}).json() == {
        "status": "ok",
        "cache": "ok",
    }


def test_readyz_reports_an_outage_of_the_cache_and_stays_ready(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "cache_check", _fails)
    response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "cache": "away"})


def test_readyz_says_which_process_keeps_crashing(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = tmp_path / "degraded.json"
    report.write_text('{"dispatch": "ended 7 times, last with SIGKILL"}')
    monkeypatch.setenv("PUSHHUB_SUPERVISOR_REPORT", str(report))
    response = Client().get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["degraded"] == {"dispatch": "ended 7 times, last with SIGKILL"}
    report.write_text("{}")
    assert Client().get("/readyz").json()["status"] == "ok"


@pytest.mark.parametrize("part", ["database", "migrations"])
def test_readyz_names_the_part_that_is_not_ready(db: None, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(health, f"{part}_check", _fails)
    response = Client().get("/readyz")
    assert (response.status_code, response.json()["detail"]) == (503, f"Not ready: {part}.")
    assert response["Retry-After"]


def test_readyz_responds_503_until_all_migrations_are_applied(db: None) -> None:
    with patch("pushhub.http.health.MigrationExecutor.migration_plan", return_value=["one"]):
        assert Client().get("/readyz").status_code == 503
    assert Client().get("/readyz").status_code == 200


def test_readyz_checks_migrations_until_its_first_success(db: None) -> None:
    Client().get("/readyz")
    with patch("pushhub.http.health.MigrationExecutor.migration_plan", return_value=["one"]):
        assert Client().get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("token", "peer", "headers", "status"),
    [
        ("", "127.0.0.1", {}, 200),
        ("", "203.0.113.9", {}, 404),
        ("", "127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, 404),
        ("sesame", "127.0.0.1", {}, 404),
        ("sesame", "203.0.113.9", {"authorization": "Bearer sesame"}, 200),
        ("sesame", "203.0.113.9", {"authorization": "Bearer other"}, 404),
    ],
)
def test_only_the_operator_may_read_metrics(
    settings: Settings, token: str, peer: str, headers: dict[str, str], status: int
) -> None:
    settings.METRICS_TOKEN = token
    assert Client(REMOTE_ADDR=peer).get("/metrics", headers=headers).status_code == status


@pytest.mark.parametrize(
    "headers",
    [{}, {"via": "1.1 nginx"}, {"forwarded": "for=8.8.8.8"}, {"x-real-ip": "8.8.8.8"}, {"authorization": "Bearer "}],
)
def test_production_shows_metrics_only_with_the_token(settings: Settings, headers: dict[str, str]) -> None:
    """A proxy on the same machine has the loopback address, and not every proxy adds X-Forwarded-For."""
    settings.PUSHHUB_PRODUCTION, settings.METRICS_TOKEN = True, ""
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics", headers=headers).status_code == 404
    settings.METRICS_TOKEN = "sesame"
    assert Client().get("/metrics", headers={"authorization": "Bearer sesame"}).status_code == 200


def test_metrics_count_requests_by_method_and_status() -> None:
    Client().get("/v1/nowhere")
    text = Client().get("/metrics").content.decode()
    assert 'pushhub_http_requests_total{method="GET",status="404"}' in text
