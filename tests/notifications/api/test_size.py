from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from notifications.models import Notification
from tenants.services import TenantCreated
from tests.notifications.api.conftest import sns_app_make

LONG = {"to": {"users": ["alice"]}, "content": {"title": "Hello", "body": "x" * 3000, "data": {"k": "y" * 1500}}}


@pytest.mark.parametrize("platform", ["web", "APNS", "GCM"])
def test_what_a_vendor_would_refuse_for_its_size_is_refused_at_once(
    acme: TenantCreated, backend: APIClient, platform: str
) -> None:
    if platform != "web":
        sns_app_make(acme.tenant, platform)
    answer = backend.post("/v1/notifications", LONG)
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_too_large")
    details = [error["detail"] for error in answer.json()["errors"]]
    assert any(f" {platform}: " in detail and " bytes, the limit is " in detail for detail in details)
    assert not Notification.objects.exists()


def test_only_platforms_with_an_app_count(acme: TenantCreated, backend: APIClient) -> None:
    sns_app_make(acme.tenant, "GCM")
    answer = backend.post("/v1/notifications", LONG)
    assert "APNS" not in str(answer.json()["errors"])


def test_a_dry_run_is_checked_too(backend: APIClient) -> None:
    assert backend.post("/v1/notifications", LONG | {"dry_run": True}).status_code == 422


def test_what_fits_is_taken(acme: TenantCreated, backend: APIClient) -> None:
    sns_app_make(acme.tenant, "APNS")
    sns_app_make(acme.tenant, "GCM")
    fits = {"to": {"users": ["alice"]}, "content": {"title": "Hello", "body": "x" * 1500}}
    assert backend.post("/v1/notifications", fits).status_code == 202


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"content": {"title": "Hello", "data": {"from": "bob"}}}, "/content/data/from"),
        ({"content": {"title": "Hello", "data": {"google.sent_time": "1"}}}, "/content/data/google.sent_time"),
        ({"overrides": {"fcm": {"data": {"message_type": "x"}}}}, "/overrides/fcm/data/message_type"),
    ],
)
def test_data_that_fcm_keeps_for_itself_is_refused_where_there_is_an_fcm_app(
    acme: TenantCreated, backend: APIClient, change: dict[str, Any], pointer: str
) -> None:
    body = {"to": {"users": ["alice"]}, "content": {"title": "Hello"}} | change
    assert backend.post("/v1/notifications", body).status_code == 202
    sns_app_make(acme.tenant, "GCM")
    answer = backend.post("/v1/notifications", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
