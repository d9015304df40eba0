from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from devices.models import App
from notifications.models import Delivery, ParkedReceipt
from providers.sns.receipts import MAX_MESSAGE, MessageType, SnsMessage, SnsMessageInvalid
from tenants.services import TenantCreated
from tests.notifications.api.conftest import delivery_make, device_make, notification_make, sns_app_make

FAILURE = {
    "EventType": "DeliveryFailure",
    "FailureType": "InvalidPlatformToken",
    "MessageId": "m-1",
    "EndpointArn": "arn:aws:sns:eu-west-1:123456789012:endpoint/APNS/acme/1",
}


@pytest.fixture
def app(acme: TenantCreated) -> App:
    return sns_app_make(acme.tenant, "APNS")


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are tested where they are verified: here every body is what SNS said."""

    def verify(raw: bytes, **_: Any) -> SnsMessage:
        if raw == b"forged":
            raise SnsMessageInvalid("the signature does not verify")
        return SnsMessage(
            type=MessageType.NOTIFICATION,
            message_id=json.loads(raw)["id"],
            topic_arn="arn:aws:sns:eu-west-1:123456789012:acme",
            message=json.dumps(FAILURE),
            timestamp=datetime.now(UTC),
        )

    monkeypatch.setattr("providers.sns.callbacks.sns_message_verify", verify)


def post(app_id: Any, raw: bytes) -> Any:
    return APIClient().post(f"/callbacks/sns/{app_id}", raw, content_type="text/plain; charset=UTF-8")


def test_a_delivery_failure_reaches_its_delivery(acme: TenantCreated, app: App, signed: None) -> None:
    device = device_make(acme.tenant)
    device.app = app
    delivery = delivery_make(notification_make(acme.tenant), device, state="accepted", provider_message_id="m-1")
    assert post(app.pk, b'{"id": "a"}').status_code == 200
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == ("undelivered", "InvalidPlatformToken")


def test_the_same_message_twice_is_taken_once(app: App, signed: None) -> None:
    assert [post(app.pk, b'{"id": "a"}').status_code for _ in range(2)] == [200, 200]
    assert ParkedReceipt.objects.count() == 1


def test_what_sns_did_not_sign_is_refused(app: App, signed: None) -> None:
    answer = post(app.pk, b"forged")
    assert (answer.status_code, answer.json()["code"]) == (400, "signature_invalid")
    assert not Delivery.objects.filter(state="undelivered").exists()


def test_an_unknown_app_is_not_found(db: None) -> None:
    answer = post(uuid4(), b"{}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_large_body_is_refused(app: App) -> None:
    answer = post(app.pk, b"x" * (MAX_MESSAGE + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[]", b'{"Type": 7}'])
def test_nonsense_is_refused(app: App, raw: bytes) -> None:
    assert post(app.pk, raw).status_code == 400


def test_only_posts(app: App) -> None:
    assert APIClient().get(f"/callbacks/sns/{app.pk}").status_code == 405
