from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from notifications.api import examples
from notifications.models import Delivery, Notification
from tenants.services import TenantCreated
from tests.notifications.api.conftest import device_make

URL = "/v1/notifications"
UNKNOWN_DEVICE = "9b2f6c1e-4a53-4a2f-9f0e-0c1d2e3f4a5b"
HELLO: dict[str, Any] = {"to": {"users": ["alice"]}, "content": {"title": "Hello"}}


def test_accepted_notification_becomes_deliveries_in_the_same_answer(acme: TenantCreated, backend: APIClient) -> None:
    device = device_make(acme.tenant, user="alice")
    answer = backend.post(URL, HELLO)
    assert (answer.status_code, answer.data["state"]) == (202, "sending")
    assert answer["Location"] == f"{URL}/{answer.data['id']}"
    assert Delivery.objects.get(notification_id=answer.data["id"]).device_id == device.pk


def test_defaults(backend: APIClient) -> None:
    answer = backend.post(URL, HELLO).data
    wanted = {"class": "transactional", "ttl": 86_400, "urgency": "normal", "silent": False, "rate": None}
    assert {name: answer[name] for name in wanted} == wanted


@pytest.mark.parametrize("to", [{"topic": "updates"}, {"all": True}])
def test_wide_audiences_are_bulk(backend: APIClient, to: dict[str, Any]) -> None:
    assert backend.post(URL, HELLO | {"to": to}).data["class"] == "bulk"


@pytest.mark.parametrize("to", [{"topic": "updates"}, {"all": True}])
def test_wide_audiences_are_refused_as_transactional(backend: APIClient, to: dict[str, Any]) -> None:
    answer = backend.post(URL, HELLO | {"to": to, "class": "transactional"})
    assert (answer.status_code, answer.data["errors"][0]["pointer"]) == (422, "/class")


@pytest.mark.parametrize("to", [{"users": ["unknown"]}, {"devices": [UNKNOWN_DEVICE]}, {"topic": "nothing"}])
def test_unknown_recipients_are_an_audience_of_zero(backend: APIClient, to: dict[str, Any]) -> None:
    answer = backend.post(URL, HELLO | {"to": to})
    assert answer.status_code == 202
    assert sum(backend.get(answer["Location"]).data["counts"].values()) == 0


def test_another_tenants_device_is_unknown(globex: TenantCreated, backend: APIClient) -> None:
    foreign = device_make(globex.tenant, user="alice")
    assert backend.post(URL, HELLO | {"to": {"devices": [str(foreign.device_id)]}}).status_code == 202
    assert not Delivery.objects.exists()


def test_a_user_named_twice_is_sent_to_once(acme: TenantCreated, backend: APIClient) -> None:
    device_make(acme.tenant, user="alice")
    backend.post(URL, HELLO | {"to": {"users": ["alice", "alice"]}})
    assert Delivery.objects.count() == 1


def test_accepting_takes_few_queries(acme: TenantCreated, backend: APIClient) -> None:
    device_make(acme.tenant, user="alice")
    backend.post(URL, HELLO)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        backend.post(URL, HELLO, headers={"Idempotency-Key": "one"})
    statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(statements) <= 10, statements


def test_scheduled_waits(acme: TenantCreated, backend: APIClient) -> None:
    device_make(acme.tenant, user="alice")
    send_at = (timezone.now() + timedelta(hours=1)).isoformat()
    assert backend.post(URL, HELLO | {"send_at": send_at}).data["state"] == "scheduled"
    assert not Delivery.objects.exists()


def test_ttl_counts_from_send_at(backend: APIClient) -> None:
    send_at = timezone.now() + timedelta(hours=1)
    answer = backend.post(URL, HELLO | {"send_at": send_at.isoformat(), "ttl": 600})
    assert Notification.objects.get(id=answer.data["id"]).expires_at == send_at + timedelta(minutes=10)


def test_a_ttl_of_zero_leaves_us_a_minute_to_hand_over(backend: APIClient) -> None:
    notification = Notification.objects.get(id=backend.post(URL, HELLO | {"ttl": 0}).data["id"])
    assert timedelta(seconds=50) < notification.expires_at - timezone.now() <= timedelta(seconds=60)


@pytest.mark.parametrize("hours", [-1, 1])
def test_ttl_counts_by_the_databases_clock(backend: APIClient, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=hours))
    notification = Notification.objects.get(id=backend.post(URL, HELLO | {"ttl": 600}).data["id"])
    assert timedelta(minutes=9) < notification.expires_at - now < timedelta(minutes=11)


def test_dry_run_renders_and_stores_nothing(acme: TenantCreated, backend: APIClient) -> None:
    device_make(acme.tenant, user="alice")
    answer = backend.post(URL, HELLO | {"dry_run": True})
    assert (answer.status_code, answer.data["audience"]) == (200, 1)
    assert answer.data["payloads"][0]["payload"]["notification"]["title"] == "Hello"
    assert not Notification.objects.exists()


@pytest.mark.parametrize("example", [examples.ONE_PERSON, examples.ALL_DEVICES, examples.TOPIC, examples.SILENT])
def test_documented_examples_are_accepted(backend: APIClient, example: dict[str, Any]) -> None:
    assert backend.post(URL, example).status_code == 202


def test_a_key_without_the_scope_is_refused(acme: TenantCreated, client_for: Any) -> None:
    answer = client_for(acme, scopes=["notifications:read"]).post(URL, HELLO)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_a_user_token_is_refused(acme: TenantCreated, user_client: Any) -> None:
    assert user_client(acme, "alice").post(URL, HELLO).status_code == 403
