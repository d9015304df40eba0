from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from notifications.models import Notification

HELLO: dict[str, Any] = {"to": {"users": ["alice"]}, "content": {"title": "Hello"}}
LATER = (timezone.now() + timedelta(days=31)).isoformat()
PAST = (timezone.now() - timedelta(hours=1)).isoformat()


def content(**members: Any) -> dict[str, Any]:
    return {"content": {"title": "Hello"} | members}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"to": {}}, "/to"),
        ({"to": {"users": ["alice"], "all": True}}, "/to"),
        ({"to": {"users": []}}, "/to/users"),
        ({"to": {"users": ["alice"] * 1001}}, "/to/users"),
        ({"to": {"users": [7]}}, "/to/users/0"),
        ({"to": {"users": "alice"}}, "/to/users"),
        ({"to": {"devices": ["not-a-uuid"]}}, "/to/devices/0"),
        ({"to": {"topic": "a b"}}, "/to/topic"),
        ({"to": {"all": False}}, "/to/all"),
        ({"to": {"filter": {}}}, "/to/filter"),
        ({"content": {}}, "/content/title"),
        ({"content": {"body": "no title"}}, "/content/title"),
        (content(title=5), "/content/title"),
        (content(title="a\u202eb"), "/content/title"),
        (content(title="a\nb"), "/content/title"),
        (content(body="x" * 4001), "/content/body"),
        (content(url="javascript:alert(1)"), "/content/url"),
        (content(url=" https://example.com/"), "/content/url"),
        (content(url="https://example.com/ x"), "/content/url"),
        (content(url="acme:"), "/content/url"),
        (content(url="http://example.com/"), "/content/url"),
        (content(url="/relative"), "/content/url"),
        (content(url="https://"), "/content/url"),
        (content(url="https://[::1"), "/content/url"),
        (content(icon="acme://icon"), "/content/icon"),
        (content(badge=-1), "/content/badge"),
        (content(badge=True), "/content/badge"),
        (content(badge=2**40), "/content/badge"),
        (content(data=[]), "/content/data"),
        (content(data={"k": "x" * 9000}), "/content/data"),
        (content(actions=[{"id": "a", "title": "A"}] * 2), "/content/actions"),
        (content(actions=[{"id": str(n), "title": "A"} for n in range(5)]), "/content/actions"),
        (content(actions=[{"id": "a b", "title": "A"}]), "/content/actions/0/id"),
        (content(colour="red"), "/content/colour"),
        ({"overrides": {"wns": {}}}, "/overrides/wns"),
        ({"overrides": {"apns": []}}, "/overrides/apns"),
        ({"class": "urgent"}, "/class"),
        ({"ttl": -1}, "/ttl"),
        ({"ttl": 2_419_201}, "/ttl"),
        ({"ttl": "60"}, "/ttl"),
        ({"urgency": "highest"}, "/urgency"),
        ({"collapse_key": "x" * 65}, "/collapse_key"),
        ({"silent": 1}, "/silent"),
        ({"rate": 0}, "/rate"),
        ({"send_at": LATER}, "/send_at"),
        ({"send_at": "2026-12-01T09:00:00"}, "/send_at"),
        ({"expires_at": PAST}, "/expires_at"),
        ({"template": {"name": "x"}}, "/template"),
    ],
)
def test_wrong_values_are_answered_with_their_pointer(backend: APIClient, change: dict[str, Any], pointer: str) -> None:
    answer = backend.post("/v1/notifications", HELLO | change)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Notification.objects.exists()


@pytest.mark.parametrize("url", ["https://example.com/a?b=c#d", "http://127.0.0.1:8000/demo/"])
def test_links_that_are_fine(backend: APIClient, url: str) -> None:
    assert backend.post("/v1/notifications", HELLO | content(url=url)).status_code == 202


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'{"to": 1, "to": 2}', b'{"a": NaN}', b'{"a": "\\u0000"}', b"[]", b"7"])
def test_what_is_no_object_is_refused(backend: APIClient, raw: bytes) -> None:
    answer = backend.post("/v1/notifications", raw, content_type="application/json")
    assert answer.status_code in {400, 422}
