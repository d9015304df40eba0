"""A page can read a response only if its exact origin is listed: by any tenant for a preflight, by the caller's tenant
for other requests."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tenants import cors
from tenants.services import TenantCreated
from tests.fixtures import ClientFor

PAGE = "https://app.acme.example"
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture(autouse=True)
def _fresh_list() -> Iterator[None]:
    cors.origins_listed.cache_clear()
    yield
    cors.origins_listed.cache_clear()


@pytest.fixture
def acme_page(acme: TenantCreated) -> TenantCreated:
    acme.tenant.cors_origins = [PAGE]
    acme.tenant.save()
    return acme


def preflight(origin: str, path: str = "/v1/users/alice", method: str = "GET") -> Any:
    headers = {"origin": origin, "access-control-request-method": method}
    return Client().options(path, headers=headers)


def test_a_listed_page_passes_the_preflight_without_a_credential(acme_page: TenantCreated) -> None:
    response = preflight(PAGE)
    assert (response.status_code, response[ALLOW]) == (200, PAGE)
    assert "authorization" in response["Access-Control-Allow-Headers"]


def test_a_service_worker_may_send_receipts(acme_page: TenantCreated) -> None:
    response = preflight(PAGE, "/v1/receipts", method="POST")
    assert "POST" in response["Access-Control-Allow-Methods"]
    assert "content-type" in response["Access-Control-Allow-Headers"]
    headers = {"origin": PAGE}
    body = {"receipts": [{"token": "none", "event": "displayed"}]}
    response = Client().post("/v1/receipts", body, content_type="application/json", headers=headers)
    assert (response.status_code, response[ALLOW]) == (200, PAGE)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://app.acme.example", PAGE + ":8443", PAGE + ".evil.example", "null"]
)
def test_another_page_does_not_pass_the_preflight(acme_page: TenantCreated, origin: str) -> None:
    assert not preflight(origin).has_header(ALLOW)


def test_the_pages_of_an_inactive_tenant_do_not_pass_the_preflight(acme_page: TenantCreated) -> None:
    acme_page.tenant.is_active = False
    acme_page.tenant.save()
    assert not preflight(PAGE).has_header(ALLOW)


def test_a_page_of_the_callers_tenant_can_read_the_response(acme_page: TenantCreated, user_client: ClientFor) -> None:
    response = user_client(acme_page, "alice").get("/v1/users/alice", headers={"origin": PAGE})
    assert response[ALLOW] == PAGE
    assert "origin" in response["Vary"].lower()
    assert not response.has_header("Access-Control-Allow-Credentials")


def test_a_page_of_another_tenant_cannot_read_the_response(
    acme_page: TenantCreated, globex: TenantCreated, user_client: ClientFor
) -> None:
    response = user_client(globex, "alice").get("/v1/users/alice", headers={"origin": PAGE})
    assert not response.has_header(ALLOW)
    assert "origin" in response["Vary"].lower()


def test_a_listed_page_can_read_a_401(acme_page: TenantCreated) -> None:
    response = Client().get("/v1/users/alice", headers={"origin": PAGE, "authorization": "Bearer eyJ.e.e"})
    assert (response.status_code, response[ALLOW]) == (401, PAGE)


def test_no_page_can_read_the_admin(acme_page: TenantCreated) -> None:
    assert not preflight(PAGE, "/admin/login/").has_header(ALLOW)
