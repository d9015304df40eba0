"""The management commands: their output and their errors."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from tenants.models import ApiKey, EndUser, IdentityKey, Tenant
from tenants.services import TenantCreated
from tenants.user_tokens import user_token_verify
from tests.fixtures import bearer_client, prefix_of

pytestmark = [pytest.mark.urls("tests.tenants.urls"), pytest.mark.django_db]


def printed(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().strip()


def test_tenant_create_prints_the_secrets_as_json() -> None:
    created = json.loads(printed("tenant_create", "acme", "--json"))
    assert set(created) == {"id", "slug", "server_key", "identity_key", "vapid_public_key"}
    assert set(created["identity_key"]) == {"kid", "alg", "secret"}
    assert bearer_client(created["server_key"]).get("/who").status_code == 200


def test_tenant_create_prints_the_secrets_as_text() -> None:
    text = printed("tenant_create", "acme", "--name", "Acme")
    assert "phk_" in text
    assert "not shown again" in text


@pytest.mark.parametrize("slug", ["Acme", "a_b", "-a", "a-", "", "a" * 64, "a\n", "ä"])
def test_an_invalid_slug_is_refused(slug: str) -> None:
    with pytest.raises(CommandError, match="slug"):
        printed("tenant_create", slug)
    assert not Tenant.objects.exists()


def test_a_slug_in_use_is_refused(acme: TenantCreated) -> None:
    with pytest.raises(CommandError, match="already exists"):
        printed("tenant_create", "acme")


def test_tenant_limit_sets_and_removes_the_limit(acme: TenantCreated) -> None:
    assert printed("tenant_limit", "acme", "--deliveries-per-second", "500") == "acme: 500 deliveries per second"
    assert Tenant.objects.get().deliveries_per_second == 500
    assert printed("tenant_limit", "acme", "--unlimited") == "acme: unlimited"
    assert Tenant.objects.get().deliveries_per_second is None


@pytest.mark.parametrize("limit", ["0", "-1", "1000001"])
def test_a_limit_out_of_range_is_refused(acme: TenantCreated, limit: str) -> None:
    with pytest.raises(CommandError, match="must be 1 to 1000000"):
        printed("tenant_limit", "acme", "--deliveries-per-second", limit)


def test_apikey_create_creates_a_key_with_the_given_scopes(acme: TenantCreated) -> None:
    text = printed("apikey_create", "acme", "--scopes", "users:read", "devices:read", "--expires-days", "30")
    key = ApiKey.objects.get(prefix=prefix_of(text))
    assert key.scopes == ["devices:read", "users:read"]
    assert key.expires_at is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown", "--scopes", "all"],
        ["acme", "--scopes", "users:fly"],
        ["acme", "--scopes", "all", "--expires-days", "0"],
    ],
)
def test_apikey_create_refuses_invalid_arguments(acme: TenantCreated, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        printed("apikey_create", *arguments)


def test_apikey_revoke_revokes_the_key(acme: TenantCreated) -> None:
    printed("apikey_revoke", "acme", prefix_of(acme.server_key))
    assert bearer_client(acme.server_key).get("/who").status_code == 401


def test_identity_key_add_imports_a_public_key(acme: TenantCreated, tmp_path: Path) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    file = tmp_path / "key.pem"
    file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    printed("identity_key_add", "acme", "--public-key", str(file), "--kid", "k2")
    assert IdentityKey.objects.get(kid="k2").alg == "ES256"


def test_identity_key_add_refuses_another_curve_and_invalid_files(acme: TenantCreated, tmp_path: Path) -> None:
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    for content in (public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), b"invalid", b"\xff"):
        (tmp_path / "key.pem").write_bytes(content)
        with pytest.raises(CommandError):
            printed("identity_key_add", "acme", "--public-key", str(tmp_path / "key.pem"))


def test_identity_key_add_refuses_a_kid_in_use(acme: TenantCreated) -> None:
    with pytest.raises(CommandError, match="already"):
        printed("identity_key_add", "acme", "--kid", acme.identity_key.key.kid)


def test_user_token_prints_a_token(acme: TenantCreated) -> None:
    assert user_token_verify(printed("user_token", "acme", "alice")) == (acme.tenant, "alice")


def test_user_token_refuses_more_than_a_day(acme: TenantCreated) -> None:
    with pytest.raises(CommandError, match="86400"):
        printed("user_token", "acme", "alice", "--ttl", "86401")


def test_demo_setup_creates_the_admin_the_tenant_and_users() -> None:
    created = json.loads(printed("demo_setup"))
    assert get_user_model().objects.get(username="admin").check_password(created["admin_password"])
    assert bearer_client(created["server_key"]).get("/who").status_code == 200
    assert created["vapid_public_key"]
    assert EndUser.objects.filter(tenant__slug="demo").count() == 2


def test_a_second_demo_setup_changes_nothing_and_prints_no_secrets() -> None:
    printed("demo_setup")
    again = json.loads(printed("demo_setup"))
    assert {name for name, value in again.items() if value is not None} == {"admin_user", "tenant"}
    assert (ApiKey.objects.count(), EndUser.objects.count()) == (1, 2)
