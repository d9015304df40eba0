from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from notifications.models import Notification
from tenants.services import TenantCreated

URL = "/v1/notifications"
HELLO: dict[str, Any] = {"to": {"users": ["alice"]}, "content": {"title": "Hello"}}
KEY = {"Idempotency-Key": "one"}


def test_repeating_a_key_sends_once_and_answers_alike(backend: APIClient) -> None:
    first, again = (backend.post(URL, HELLO, headers=KEY) for _ in range(2))
    assert (again.status_code, again.json(), again["Location"]) == (202, first.json(), first["Location"])
    assert (again["Idempotency-Replayed"], Notification.objects.count()) == ("true", 1)


def test_another_body_under_the_same_key_is_refused(backend: APIClient) -> None:
    backend.post(URL, HELLO, headers=KEY)
    answer = backend.post(URL, HELLO | {"ttl": 5}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")


def test_a_refused_request_may_be_mended_under_its_key(backend: APIClient) -> None:
    assert backend.post(URL, HELLO | {"ttl": -1}, headers=KEY).status_code == 422
    assert backend.post(URL, HELLO, headers=KEY).status_code == 202


def test_a_payload_too_large_is_not_stored(backend: APIClient) -> None:
    large = HELLO | {"content": {"title": "Hello", "body": "x" * 4000}}
    assert backend.post(URL, large, headers=KEY).status_code == 422
    assert backend.post(URL, HELLO, headers=KEY).status_code == 202


def test_tenants_do_not_share_keys(backend: APIClient, globex: TenantCreated, client_for: Any) -> None:
    ours = backend.post(URL, HELLO, headers=KEY).json()["id"]
    assert client_for(globex).post(URL, HELLO, headers=KEY).json()["id"] != ours


def test_without_a_key_every_request_sends(backend: APIClient) -> None:
    assert len({backend.post(URL, HELLO).json()["id"] for _ in range(2)}) == 2


def test_a_bad_key_is_refused(backend: APIClient) -> None:
    answer = backend.post(URL, HELLO, headers={"Idempotency-Key": "x" * 256})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
