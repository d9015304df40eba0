"""Scopes of server keys, and views that accept no user tokens."""

import pytest

from tenants.services import TenantCreated
from tests.fixtures import ClientFor

pytestmark = [pytest.mark.urls("tests.tenants.urls"), pytest.mark.django_db]


def test_a_key_with_the_scope_passes(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme, scopes=["users:read"]).get("/backend").status_code == 200


def test_the_error_names_the_missing_scope(acme: TenantCreated, client_for: ClientFor) -> None:
    response = client_for(acme, scopes=["users:write"]).get("/backend")
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    assert "users:read" in response.json()["detail"]


def test_a_user_token_on_a_server_only_view_is_forbidden(acme: TenantCreated, user_client: ClientFor) -> None:
    response = user_client(acme, "alice").get("/backend")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


def test_a_user_token_passes_where_it_is_allowed(acme: TenantCreated, user_client: ClientFor) -> None:
    assert user_client(acme, "alice").get("/who").json() == {"caller": "user:alice"}


def test_head_needs_the_scope_of_get(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme, scopes=["users:write"]).head("/backend").status_code == 403


def test_a_method_that_the_view_does_not_have_is_405(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme).delete("/backend").status_code == 405


def test_a_method_with_the_scope_none_accepts_any_server_key(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme, scopes=["events:read"]).post("/who", {}).status_code == 201
