"""`POST /callbacks/s3`: SNS's signature, the operator's topic, the configured bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from avatars.api.callbacks import CONFIRMATION
from avatars.models import Avatar, S3Subscription
from outgoing.types import HttpRequest, HttpResponse
from tests.avatars.core.builders import BUCKET, s3_event
from tests.sns import TOPIC, certificate, message

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _operators_topic(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AVATAR_S3_TOPIC_ARNS = [TOPIC]
    settings.AVATAR_S3_BUCKET = BUCKET
    monkeypatch.setattr("providers.sns.callbacks.certificates", lambda policy: lambda url: certificate())


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
    CONFIRMATION.step()
    assert visited == [url]
    assert S3Subscription.objects.get().confirmed_at is not None


def test_a_subscription_that_is_renewed_meanwhile_is_confirmed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token="
    visited: list[str] = []

    def renew(token: str) -> None:
        send(message("", Type="SubscriptionConfirmation", Token=token, SubscribeURL=url + token))

    def fetch(request: HttpRequest, **_: Any) -> HttpResponse:
        visited.append(request.url)
        if len(visited) == 1:
            renew("second")
        return HttpResponse(status=200, headers={}, body=b"")

    monkeypatch.setattr("providers.sns.callbacks.fetch", fetch)
    renew("first")
    while CONFIRMATION.step():
        continue
    assert visited == [url + "first", url + "second"]
