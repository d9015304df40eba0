"""The tenants `acme` and `globex`, and clients that call the API as a tenant's backend or as one of its users."""

from collections.abc import Callable, Iterable

import pytest
from rest_framework.test import APIClient

from tenants.services import TenantCreated, apikey_create, tenant_create, user_token_mint

ClientFor = Callable[..., APIClient]


@pytest.fixture
def acme(db: None) -> TenantCreated:
    return tenant_create(slug="acme", name="Acme")


@pytest.fixture
def globex(db: None) -> TenantCreated:
    return tenant_create(slug="globex", name="Globex")


@pytest.fixture
def client_for() -> ClientFor:
    """`client_for(acme)` uses acme's first server key; `client_for(acme, scopes=["users:read"])` a key with these
    scopes."""

    def make(created: TenantCreated, scopes: Iterable[str] | None = None) -> APIClient:
        if scopes is None:
            return bearer_client(created.server_key)
        return bearer_client(apikey_create(tenant=created.tenant, scopes=scopes).server_key)

    return make


@pytest.fixture
def user_client() -> ClientFor:
    """`user_client(acme, "alice")` is a client with a user token of alice."""

    def make(created: TenantCreated, user_id: str) -> APIClient:
        return bearer_client(user_token_mint(tenant=created.tenant, user_id=user_id))

    return make


def bearer_client(credential: str) -> APIClient:
    """A client that sends JSON. It gets internal errors as 500 responses, as callers do."""
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {credential}")
    client.default_format = "json"
    return client


def prefix_of(server_key: str) -> str:
    """The public part of `phk_<prefix>_<secret>`."""
    return server_key.split("_")[1]
