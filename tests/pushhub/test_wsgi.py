"""The real WSGI application, before any middleware of Django's."""

import json
from typing import Any

import pytest
from django.test import RequestFactory

from pushhub.wsgi import application

pytestmark = pytest.mark.django_db(transaction=True)  # requests are worked on in a thread with its own connection

UNREADABLE = [
    "application/json; x*=bogus''y",
    "application/json; x*=idna''y",
    "application/json; charset=rot13",
    "application/json; charset=undefined",
    "application/json; charset=x\x00y",
    "; charset=idna",
]


def answer(method: str, path: str, content_type: str) -> tuple[str, dict[str, str], Any]:
    """Status line, headers, and the document."""
    request = RequestFactory().generic(method, path, b"{}", headers={"Host": "127.0.0.1"})
    started: list[Any] = []
    body = application(request.environ | {"CONTENT_TYPE": content_type}, lambda *said: started.extend(said))
    document = json.loads(b"".join(body))
    return started[0], dict(started[1]), document


@pytest.mark.parametrize("query", ["", "?a=%C3%A9"])
@pytest.mark.parametrize("content_type", UNREADABLE)
def test_a_content_type_that_cannot_be_read_is_an_unsupported_one(content_type: str, query: str) -> None:
    status, headers, problem = answer("POST", f"/v1/receipts{query}", content_type)
    assert (status[:3], problem["code"]) == ("415", "unsupported_media_type")
    assert headers["X-Request-Id"] == problem["request_id"]


@pytest.mark.parametrize("content_type", UNREADABLE)
def test_who_reads_no_body_does_not_mind(content_type: str) -> None:
    assert answer("GET", "/livez?a=%C3%A9", content_type)[0] == "200 OK"


def test_strangers_are_told_so_first() -> None:
    assert answer("POST", "/v1/notifications", UNREADABLE[0])[0] == "401 Unauthorized"
