"""Request ids, access lines, and the limit on bodies."""

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
def test_an_unsafe_request_id_is_replaced(given: str) -> None:
    returned = Client().get("/livez", headers={"x-request-id": given})["X-Request-Id"]
    assert returned != given
    assert len(returned) == 36


def test_the_access_line_contains_neither_path_values_nor_the_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pushhub.access"):
        Client().get("/v1/users/alice?token=sesame")
    assert "alice" not in caplog.text
    assert "sesame" not in caplog.text
    assert [record.message for record in caplog.records if record.name == "pushhub.access"]


def body_limit(**meta: Any) -> HttpResponse:
    """The response to a POST. The view returns the body as DRF reads it."""
    request = RequestFactory().post("/v1/anything", content_type="application/json")
    request.META.update(meta)
    return BodyLimitMiddleware(lambda inner: HttpResponse(_read(inner)))(request)


def _read(request: HttpRequest) -> str:
    return json.dumps(Request(request, parsers=[StrictJSONParser()]).data)


class Unread(BytesIO):
    @override
    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("the body was read")


def test_a_body_with_too_large_a_content_length_is_refused_without_reading_it() -> None:
    response = body_limit(CONTENT_LENGTH=str(LIMIT + 1), **{"wsgi.input": Unread()})
    assert response.status_code == 413


@pytest.mark.parametrize(("headers", "status"), [({"HTTP_TRANSFER_ENCODING": "chunked"}, 400), ({}, 200)])
def test_a_chunked_body_without_content_is_refused(headers: dict[str, str], status: int) -> None:
    response = body_limit(CONTENT_LENGTH="0", **{"wsgi.input": BytesIO()}, **headers)
    assert response.status_code == status


def test_bodies_to_the_admin_are_not_limited_here() -> None:
    request = RequestFactory().post("/admin/", CONTENT_LENGTH=str(LIMIT + 1))
    assert BodyLimitMiddleware(lambda _: HttpResponse(status=204))(request).status_code == 204


def test_caches_do_not_store_responses_of_the_api() -> None:
    assert Client().get("/v1/users/alice")["Cache-Control"] == "no-store"
