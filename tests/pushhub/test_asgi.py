"""What the service does with a request before Django's middleware."""

import json
from typing import Any

import pytest
from django.test import RequestFactory

from pushhub.asgi import ADMIN, API, CALLBACKS, FORMS, IMPORTS, PAGES, django_application, pool_of
from pushhub.http.pools import RequestPool

pytestmark = pytest.mark.django_db

UNREADABLE = [
    "application/json; x*=bogus''y",
    "application/json; x*=idna''y",
    "application/json; charset=rot13",
    "application/json; charset=undefined",
    "application/json; charset=x\x00y",
    "; charset=idna",
]


def response_to(method: str, path: str, content_type: str) -> tuple[str, dict[str, str], Any]:
    """The status line, the headers and the JSON document."""
    request = RequestFactory().generic(method, path, b"{}", headers={"Host": "127.0.0.1"})
    start: list[Any] = []
    application: Any = django_application
    body = application(request.environ | {"CONTENT_TYPE": content_type}, lambda *arguments: start.extend(arguments))
    document = json.loads(b"".join(body))
    return start[0], dict(start[1]), document


@pytest.mark.parametrize("query", ["", "?a=%C3%A9"])
@pytest.mark.parametrize("content_type", UNREADABLE)
def test_an_invalid_content_type_is_not_supported(content_type: str, query: str) -> None:
    status, headers, problem = response_to("POST", f"/v1/receipts{query}", content_type)
    assert (status[:3], problem["code"]) == ("415", "unsupported_media_type")
    assert headers["X-Request-Id"] == problem["request_id"]


@pytest.mark.parametrize("content_type", UNREADABLE)
def test_a_view_that_reads_no_body_ignores_the_content_type(content_type: str) -> None:
    assert response_to("GET", "/livez?a=%C3%A9", content_type)[0] == "200 OK"


def test_the_credential_is_checked_before_the_content_type() -> None:
    assert response_to("POST", "/v1/notifications", UNREADABLE[0])[0] == "401 Unauthorized"


@pytest.mark.parametrize(
    ("path", "pool"),
    [
        ("/v1/notifications", API),
        ("/readyz", API),
        ("/v1/avatars/0199f3a0-0000-7000-8000-000000000000", API),
        ("/v1/avatars/0199f3a0-0000-7000-8000-000000000000:complete", CALLBACKS),
        ("/callbacks/s3", CALLBACKS),
        ("/metrics", CALLBACKS),
        ("/admin/login/", ADMIN),
        ("/docs", PAGES),
        ("/avatars/upload", FORMS),
        ("/v1/devices:import", IMPORTS),
    ],
)
def test_each_kind_of_request_has_its_threads(path: str, pool: RequestPool) -> None:
    assert pool_of(path) is pool
