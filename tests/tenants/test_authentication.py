"""Authentication with server keys: valid and refused keys, and the number of queries."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import ApiKey
from tenants.server_keys import ServerKey, server_key_parse
from tenants.services import TenantCreated, apikey_create, apikey_revoke
from tests.fixtures import ClientFor, bearer_client, prefix_of

pytestmark = [pytest.mark.urls("tests.tenants.urls"), pytest.mark.django_db]


def status_of(credential: str) -> int:
    return bearer_client(credential).get("/who").status_code


def test_a_valid_server_key_authenticates(acme: TenantCreated, client_for: ClientFor) -> None:
    response = client_for(acme).get("/who")
    assert (response.status_code, response.json()["caller"]) == (200, f"key:{prefix_of(acme.server_key)}")


def test_two_keys_can_be_valid_at_the_same_time(acme: TenantCreated) -> None:
    other = apikey_create(tenant=acme.tenant, scopes=["users:read"]).server_key
    assert (status_of(acme.server_key), status_of(other)) == (200, 200)


def test_a_revoked_key_is_refused_by_the_next_request(acme: TenantCreated) -> None:
    assert status_of(acme.server_key) == 200
    apikey_revoke(tenant=acme.tenant, prefix=prefix_of(acme.server_key))
    assert status_of(acme.server_key) == 401


def test_an_expired_key_is_refused(acme: TenantCreated) -> None:
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert status_of(acme.server_key) == 401


def test_the_keys_of_an_inactive_tenant_are_refused(acme: TenantCreated) -> None:
    acme.tenant.is_active = False
    acme.tenant.save()
    assert status_of(acme.server_key) == 401


@pytest.mark.parametrize(
    "credential",
    ["phk_", "phk_abc_def", "phk_aaaaaaaaaaaa_" + "A" * 43, "phk_aaaaaaaaaaaa_" + "A" * 42 + "\0", "", "ä", "a.b.c"],
)
def test_an_invalid_credential_is_refused(acme: TenantCreated, credential: str) -> None:
    assert status_of(credential) == 401


def test_a_known_prefix_with_another_secret_is_refused(acme: TenantCreated) -> None:
    forged = ServerKey(prefix_of(acme.server_key), ServerKey.generate().secret)
    assert status_of(forged.text) == 401


def test_a_refusal_has_a_bearer_challenge(client: Any) -> None:
    response = client.get("/who")
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_the_secret_is_not_in_the_database(acme: TenantCreated) -> None:
    key, secret = ApiKey.objects.get(), acme.server_key.split("_", 2)[2]
    assert secret.encode() not in bytes(key.secret_hash)
    assert len(bytes(key.secret_hash)) == 32


def test_reprs_contain_no_secrets(acme: TenantCreated) -> None:
    secret = acme.server_key.split("_", 2)[2]
    assert secret not in repr(acme)
    assert acme.identity_key.secret not in repr(acme)
    assert secret not in repr(server_key_parse(acme.server_key))


def test_authentication_needs_one_query(
    acme: TenantCreated, client_for: ClientFor, django_assert_num_queries: Any
) -> None:
    client = client_for(acme)
    client.get("/who")
    with django_assert_num_queries(1):
        client.get("/who")


def test_last_used_is_written_once_a_minute(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    client.get("/who")
    first = ApiKey.objects.get().last_used_at
    client.get("/who")
    assert first is not None
    assert ApiKey.objects.get().last_used_at == first


def test_last_used_is_written_again_after_a_minute(acme: TenantCreated, client_for: ClientFor) -> None:
    long_ago = timezone.now() - timedelta(minutes=2)
    ApiKey.objects.update(last_used_at=long_ago)
    client_for(acme).get("/who")
    last_used_at = ApiKey.objects.get().last_used_at
    assert last_used_at is not None
    assert last_used_at > long_ago + timedelta(minutes=1)


def test_a_tenant_cannot_revoke_the_key_of_another_tenant(acme: TenantCreated, globex: TenantCreated) -> None:
    with pytest.raises(ApiError) as refused:
        apikey_revoke(tenant=globex.tenant, prefix=prefix_of(acme.server_key))
    assert refused.value.code is ErrorCode.NOT_FOUND
