"""Request ids, the limit of bodies, and what an access line may hold."""

import json
import logging
from io import BytesIO
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from rest_framework.request import Request
from typing_extensions import override

from pushhub.http.api import StrictJSONParser
from pushhub.http.middleware import BodyLimitMiddleware

LIMIT = 1024 * 1024


def test_a_safe_request_id_is_kept() -> None:
    assert Client().get("/livez", headers={"x-request-id": "abc-1"})["X-Request-Id"] == "abc-1"


@pytest.mark.parametrize("given", ["x" * 65, "a b", "a\tb", "é", ""])
def test_another_request_id_is_replaced(given: str) -> None:
    answered = Client().get("/livez", headers={"x-request-id": given})["X-Request-Id"]
    assert answered != given
    assert len(answered) == 36


def test_the_access_line_holds_neither_path_values_nor_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pushhub.access"):
        Client().get("/v1/users/alice?token=sesame")
    assert "alice" not in caplog.text
    assert "sesame" not in caplog.text
    assert [record.message for record in caplog.records if record.name == "pushhub.access"]


def body_limit(**meta: Any) -> HttpResponse:
    """The answer to a POST; the innermost view answers the body as DRF reads it."""
    request = RequestFactory().post("/v1/anything", content_type="application/json")
    request.META.update(meta)
    return BodyLimitMiddleware(lambda inner: HttpResponse(_read(inner)))(request)


def _read(request: HttpRequest) -> str:
    return json.dumps(Request(request, parsers=[StrictJSONParser()]).data)


class Unread(BytesIO):
    @override
    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("the body was read")


def test_a_body_declared_too_large_is_refused_unread() -> None:
    response = body_limit(CONTENT_LENGTH=str(LIMIT + 1), **{"wsgi.input": Unread()})
    assert response.status_code == 413


def test_a_chunked_body_is_read_up_to_the_limit_and_no_further() -> None:
    source = BytesIO(b"x" * (10 * LIMIT))
    response = body_limit(CONTENT_LENGTH="", **{"wsgi.input": source, "wsgi.input_terminated": True})
    assert response.status_code == 413
    assert source.tell() == LIMIT + 1


def test_a_chunked_body_within_the_limit_reaches_the_view() -> None:
    response = body_limit(CONTENT_LENGTH="", **{"wsgi.input": BytesIO(b'{"a": 1}'), "wsgi.input_terminated": True})
    assert response.content == b'{"a": 1}'


@pytest.mark.parametrize(("headers", "status"), [({"HTTP_TRANSFER_ENCODING": "chunked"}, 400), ({}, 200)])
def test_a_chunked_body_of_which_nothing_came_is_not_an_empty_one(headers: dict[str, str], status: int) -> None:
    response = body_limit(CONTENT_LENGTH="", **{"wsgi.input": BytesIO(), "wsgi.input_terminated": True}, **headers)
    assert response.status_code == status


def test_the_admin_is_not_limited_by_us() -> None:
    request = RequestFactory().post("/admin/", CONTENT_LENGTH=str(LIMIT + 1))
    assert BodyLimitMiddleware(_answer)(request).status_code == 204


def _answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def test_answers_of_the_api_are_not_stored_by_caches() -> None:
    assert Client().get("/v1/users/alice")["Cache-Control"] == "no-store"
