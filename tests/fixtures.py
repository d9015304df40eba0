"""The named cast: tenants `acme` and `globex`, and clients that call the API as their backend or as their users."""

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
    """`client_for(acme)`: its first server key; `client_for(acme, scopes=["users:read"])`: a key with just these."""

    def make(created: TenantCreated, scopes: Iterable[str] | None = None) -> APIClient:
        if scopes is None:
            return bearer_client(created.server_key)
        return bearer_client(apikey_create(tenant=created.tenant, scopes=scopes).server_key)

    return make


@pytest.fixture
def user_client() -> ClientFor:
    """`user_client(acme, "alice")`: alice's own client, with a user token."""

    def make(created: TenantCreated, user_id: str) -> APIClient:
        return bearer_client(user_token_mint(tenant=created.tenant, user_id=user_id))

    return make


def bearer_client(credential: str) -> APIClient:
    """JSON by default, faults of ours as 500 answers, as callers see them."""
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {credential}")
    client.default_format = "json"
    return client


def prefix_of(server_key: str) -> str:
    """The public part of `phk_<prefix>_<secret>`."""
    return server_key.split("_")[1]
