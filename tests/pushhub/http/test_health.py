"""Probes tell alive from ready, by address and without a host; metrics are for the operator alone."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django.fixtures import Settings

from pushhub.http import health


@pytest.fixture(autouse=True)
def _forget_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", False)


def _away(*_: Any) -> bool:
    raise OperationalError("away")


def test_alive_asks_no_database_and_no_host() -> None:
    assert Client().get("/livez", headers={"host": "10.1.2.3:8000"}).status_code == 200


def test_ready_when_everything_answers(db: None) -> None:
    assert Client().get("/readyz", headers={"host": "10.1.2.3:8000"}).json() == {
        "status": "ok",
        "cache": "ok",
    }


def test_without_its_cache_it_serves_and_says_so(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_cache", _away)
    response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "cache": "away"})


@pytest.mark.parametrize("part", ["database", "migrations"])
def test_not_ready_names_the_part(db: None, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(health, f"_{part}", _away)
    response = Client().get("/readyz")
    assert (response.status_code, response.json()["detail"]) == (503, f"Not ready: {part}.")
    assert response["Retry-After"]


def test_not_ready_while_a_migration_is_missing(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushhub.http.health.MigrationExecutor.migration_plan", lambda *_: ["one"])
    assert Client().get("/readyz").status_code == 503


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
def test_metrics_are_for_the_operator(
    settings: Settings, token: str, peer: str, headers: dict[str, str], status: int
) -> None:
    settings.METRICS_TOKEN = token
    assert Client(REMOTE_ADDR=peer).get("/metrics", headers=headers).status_code == status


def test_metrics_count_requests_by_method_and_status() -> None:
    Client().get("/v1/nowhere")
    text = Client().get("/metrics").content.decode()
    assert 'pushhub_http_requests_total{method="GET",status="404"}' in text
