"""Scopes, and what a user token may not do."""

import pytest

from tenants.services import TenantCreated
from tests.fixtures import ClientFor

pytestmark = [pytest.mark.urls("tests.tenants.urls"), pytest.mark.django_db]


def test_a_key_with_the_scope_passes(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme, scopes=["users:read"]).get("/backend").status_code == 200


def test_a_missing_scope_is_named(acme: TenantCreated, client_for: ClientFor) -> None:
    answer = client_for(acme, scopes=["users:write"]).get("/backend")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert "users:read" in answer.json()["detail"]


def test_a_user_token_on_a_server_only_view_is_forbidden(acme: TenantCreated, user_client: ClientFor) -> None:
    answer = user_client(acme, "alice").get("/backend")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_user_token_passes_where_it_is_allowed(acme: TenantCreated, user_client: ClientFor) -> None:
    assert user_client(acme, "alice").get("/who").json() == {"caller": "user:alice"}


def test_head_takes_the_scope_of_get(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme, scopes=["users:write"]).head("/backend").status_code == 403


def test_a_method_the_view_lacks_is_405(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme).delete("/backend").status_code == 405


def test_none_lets_any_server_key_pass(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme, scopes=["events:read"]).post("/who", {}).status_code == 201
