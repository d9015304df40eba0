"""`POST /callbacks/s3`: SNS's signature, the operator's topic, the configured bucket."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from django.test import Client

from avatars.api.callbacks import subscriptions_confirm_step
from avatars.models import Avatar, S3Subscription
from outgoing.types import HttpRequest, HttpResponse
from tests.avatars.core.builders import BUCKET, s3_event

pytestmark = pytest.mark.django_db(transaction=True)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:acme-avatars"
SIGNED = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(autouse=True)
def _operators_topic(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AVATAR_S3_TOPIC_ARNS = [TOPIC]
    settings.AVATAR_S3_BUCKET = BUCKET
    monkeypatch.setattr("providers.sns.callbacks.certificates", lambda policy: lambda url: certificate())


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def message(body: str, *, topic: str = TOPIC, **more: str) -> dict[str, str]:
    fields = {
        "Type": "Notification",
        "MessageId": str(uuid4()),
        "TopicArn": topic,
        "Message": body,
        "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
        **more,
    }
    text = "".join(f"{name}\n{fields[name]}\n" for name in SIGNED if name in fields)
    signature = KEY.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    region = topic.split(":")[3]
    return fields | {
        "SignatureVersion": "2",
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": f"https://sns.{region}.amazonaws.com/SimpleNotificationService-0a1b.pem",
    }


def send(fields: dict[str, str]) -> Any:
    return Client().post("/callbacks/s3", json.dumps(fields), content_type="text/plain; charset=UTF-8")


@pytest.fixture
def event(started: dict[str, Any]) -> str:
    return s3_event(started["upload"]["fields"]["key"])


def test_a_signed_event_starts_the_workflow_once(event: str) -> None:
    assert [send(message(event)).status_code for _ in range(2)] == [200, 200]
    assert Avatar.objects.get().state == "uploaded"
    assert Avatar.objects.get().timeline.filter(what="upload").count() == 1


def test_a_changed_event_is_refused(event: str) -> None:
    response = send(message(event) | {"Message": event.replace("0055", "0056")})
    assert (response.status_code, response.json()["code"]) == (400, "signature_invalid")
    assert Avatar.objects.get().state == "awaiting_upload"


def test_another_topic_is_refused(event: str) -> None:
    assert send(message(event, topic=TOPIC + "-of-another")).json()["code"] == "signature_invalid"


def test_another_bucket_is_ignored(event: str) -> None:
    assert send(message(event.replace(BUCKET, "another"))).status_code == 200
    assert Avatar.objects.get().state == "awaiting_upload"


def test_a_message_that_is_no_event_is_refused(started: dict[str, Any]) -> None:
    assert send(message("hello")).status_code == 422


def test_the_subscription_is_confirmed_by_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    visited: list[str] = []

    def fetch(request: HttpRequest, **_: Any) -> HttpResponse:
        visited.append(request.url)
        return HttpResponse(status=200, headers={}, body=b"")

    monkeypatch.setattr("providers.sns.callbacks.fetch", fetch)
    assert send(message("", Type="SubscriptionConfirmation", Token="t", SubscribeURL=url)).status_code == 200
    assert visited == []
    subscriptions_confirm_step()
    assert visited == [url]
    assert S3Subscription.objects.get().confirmed_at is not None
