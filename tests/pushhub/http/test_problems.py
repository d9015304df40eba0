"""The response to every error is a problem document with its status, code and headers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from django.test import Client, RequestFactory
from django.urls import path
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from pushhub.asgi import TextRequest
from pushhub.http.api import ApiView, StrictSerializer
from pushhub.http.problems import PROBLEM_TYPE
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500"]

raised: list[Exception] = []


class Raises(ApiView):
    authentication_classes = []
    permission_classes = []
    throttle_classes = []

    def get(self, request: Request, name: str = "") -> Response:
        raise raised[0]

    def post(self, request: Request) -> Response:
        StrictSerializer.read(request)
        return Response(status=204)


urlpatterns = [path("v1/raises", Raises.as_view()), path("v1/raises/<str:name>", Raises.as_view())]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def client() -> Iterator[Client]:
    raised.clear()
    yield Client(raise_request_exception=False)
    raised.clear()


def problem(response: Any) -> dict[str, Any]:
    assert response["Content-Type"] == PROBLEM_TYPE
    document: dict[str, Any] = json.loads(response.content)
    assert set(document) - {"errors_omitted"} == {"type", "title", "status", "code", "detail", "errors", "request_id"}
    assert document["status"] == response.status_code
    assert document["request_id"] == response["X-Request-Id"]
    return document


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (ApiError(ErrorCode.APP_AMBIGUOUS), 422, "app_ambiguous"),
        (exceptions.ParseError(), 400, "malformed"),
        (exceptions.NotAuthenticated(), 401, "unauthenticated"),
        (exceptions.AuthenticationFailed(), 401, "unauthenticated"),
        (exceptions.PermissionDenied(), 403, "forbidden"),
        (exceptions.NotFound(), 404, "not_found"),
        (exceptions.Throttled(wait=1.2), 429, "rate_limited"),
        (exceptions.ValidationError("no"), 422, "invalid"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "forbidden"),
        (RequestDataTooBig(), 413, "too_large"),
        (SuspiciousOperation(), 400, "malformed"),
        (OperationalError("connection to 10.0.0.1 failed"), 503, "unavailable"),
        (RuntimeError("an internal error"), 500, "internal"),
    ],
)
def test_every_exception_becomes_a_problem(client: Client, exc: Exception, status: int, code: str) -> None:
    raised.append(exc)
    response = client.get("/v1/raises")
    assert (response.status_code, problem(response)["code"]) == (status, code)


def test_an_outage_has_a_retry_after_and_hides_the_address_of_the_database(client: Client) -> None:
    raised.append(OperationalError("connection to 10.0.0.1 failed"))
    response = client.get("/v1/raises")
    assert response["Retry-After"] == "5"
    assert "10.0.0.1" not in response.content.decode()


def test_retry_after_is_rounded_up(client: Client) -> None:
    raised.append(exceptions.Throttled(wait=1.2))
    assert client.get("/v1/raises")["Retry-After"] == "2"


def test_a_401_has_a_bearer_challenge(client: Client) -> None:
    raised.append(ApiError(ErrorCode.UNAUTHENTICATED))
    assert client.get("/v1/raises")["WWW-Authenticate"].startswith("Bearer")


def test_a_405_lists_the_allowed_methods(client: Client) -> None:
    response = client.delete("/v1/raises")
    assert problem(response)["code"] == "method_not_allowed"
    assert set(response["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_an_unknown_address_of_the_api_is_a_problem(client: Client) -> None:
    assert problem(client.get("/v1/nowhere"))["code"] == "not_found"


def test_an_unknown_host_is_a_problem(client: Client) -> None:
    assert problem(client.get("/v1/raises", headers={"host": "evil.example"}))["code"] == "malformed"


def test_an_unavailable_media_type_is_a_problem(client: Client) -> None:
    assert problem(client.get("/v1/raises", headers={"accept": "image/png"}))["code"] == "not_acceptable"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=latin-1", "multipart/form-data"])
def test_an_unsupported_media_type_is_a_problem(client: Client, content_type: str) -> None:
    response = client.post("/v1/raises", data=b"{}", content_type=content_type)
    assert problem(response)["code"] == "unsupported_media_type"


def test_a_compressed_body_is_a_problem(client: Client) -> None:
    response = client.post("/v1/raises", b"{}", "application/json", headers={"content-encoding": "gzip"})
    assert problem(response)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(("body", "status"), [(b"{}", 204), (b"{", 400), (b"[]", 422), (b'{"a": 1}', 422)])
def test_a_body_is_validated_strictly(client: Client, body: bytes, status: int) -> None:
    assert client.post("/v1/raises", body, "application/json").status_code == status


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/v1/raises/a%00b", "not_found"),
        ("/v1/raises?x=%00", "malformed"),
        ("/v1/raises?x=%ED%A0%80", "malformed"),
    ],
)
def test_an_address_that_is_not_text_does_not_reach_the_view(client: Client, address: str, code: str) -> None:
    raised.append(AssertionError("the handler was reached"))
    assert problem(client.get(address))["code"] == code


def test_a_path_that_is_not_utf8_is_not_found() -> None:
    environ = RequestFactory().get("/").environ | {"PATH_INFO": "/v1/raises/\xff"}  # WSGI: bytes as Latin-1
    request = TextRequest(environ)
    assert request.path == "/v1/raises/%FF"
    assert Raises.as_view()(request, name="%FF").status_code == 404
