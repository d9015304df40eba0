"""The command line: what it prints, and that a refusal is one clear line."""

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


def test_tenant_create_answers_all_a_tenant_needs() -> None:
    made = json.loads(printed("tenant_create", "acme", "--json"))
    assert set(made) == {"id", "slug", "server_key", "identity_key", "vapid_public_key"}
    assert set(made["identity_key"]) == {"kid", "alg", "secret"}
    assert bearer_client(made["server_key"]).get("/who").status_code == 200


def test_tenant_create_for_people_shows_the_same() -> None:
    text = printed("tenant_create", "acme", "--name", "Acme")
    assert "phk_" in text
    assert "not shown again" in text


@pytest.mark.parametrize("slug", ["Acme", "a_b", "-a", "a-", "", "a" * 64, "a\n", "ä"])
def test_a_bad_slug_is_refused(slug: str) -> None:
    with pytest.raises(CommandError, match="slug"):
        printed("tenant_create", slug)
    assert not Tenant.objects.exists()


def test_a_slug_in_use_is_refused(acme: TenantCreated) -> None:
    with pytest.raises(CommandError, match="exists already"):
        printed("tenant_create", "acme")


def test_tenant_limit_caps_a_tenant_and_takes_the_cap_off(acme: TenantCreated) -> None:
    assert printed("tenant_limit", "acme", "--deliveries-per-second", "500") == "acme: 500 deliveries per second"
    assert Tenant.objects.get().deliveries_per_second == 500
    assert printed("tenant_limit", "acme", "--unlimited") == "acme: unlimited"
    assert Tenant.objects.get().deliveries_per_second is None


@pytest.mark.parametrize("cap", ["0", "-1", "1000001"])
def test_a_cap_that_makes_no_sense_is_refused(acme: TenantCreated, cap: str) -> None:
    with pytest.raises(CommandError, match="between 1 and"):
        printed("tenant_limit", "acme", "--deliveries-per-second", cap)


def test_apikey_create_makes_a_key_of_just_these_scopes(acme: TenantCreated) -> None:
    text = printed("apikey_create", "acme", "--scopes", "users:read", "devices:read", "--expires-days", "30")
    key = ApiKey.objects.get(prefix=prefix_of(text))
    assert key.scopes == ["devices:read", "users:read"]
    assert key.expires_at is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ["nobody", "--scopes", "all"],
        ["acme", "--scopes", "users:fly"],
        ["acme", "--scopes", "all", "--expires-days", "0"],
    ],
)
def test_apikey_create_refuses(acme: TenantCreated, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        printed("apikey_create", *arguments)


def test_apikey_revoke_revokes(acme: TenantCreated) -> None:
    printed("apikey_revoke", "acme", prefix_of(acme.server_key))
    assert bearer_client(acme.server_key).get("/who").status_code == 401


def test_identity_key_add_imports_a_public_key(acme: TenantCreated, tmp_path: Path) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    file = tmp_path / "key.pem"
    file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    printed("identity_key_add", "acme", "--public-key", str(file), "--kid", "mine")
    assert IdentityKey.objects.get(kid="mine").alg == "ES256"


def test_identity_key_add_refuses_a_weak_curve_and_rubbish(acme: TenantCreated, tmp_path: Path) -> None:
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    for content in (public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), b"rubbish", b"\xff"):
        (tmp_path / "key.pem").write_bytes(content)
        with pytest.raises(CommandError):
            printed("identity_key_add", "acme", "--public-key", str(tmp_path / "key.pem"))


def test_identity_key_add_refuses_a_kid_in_use(acme: TenantCreated) -> None:
    with pytest.raises(CommandError, match="already"):
        printed("identity_key_add", "acme", "--kid", acme.identity_key.key.kid)


def test_user_token_prints_a_token(acme: TenantCreated) -> None:
    assert user_token_verify(printed("user_token", "acme", "alice")) == (acme.tenant, "alice")


def test_user_token_refuses_a_lifetime_over_a_day(acme: TenantCreated) -> None:
    with pytest.raises(CommandError, match="86400"):
        printed("user_token", "acme", "alice", "--ttl", "86401")


def test_demo_setup_makes_admin_tenant_and_users() -> None:
    made = json.loads(printed("demo_setup"))
    assert get_user_model().objects.get(username="admin").check_password(made["admin_password"])
    assert bearer_client(made["server_key"]).get("/who").status_code == 200
    assert made["vapid_public_key"]
    assert EndUser.objects.filter(tenant__slug="demo").count() == 2


def test_demo_setup_again_changes_and_shows_nothing() -> None:
    printed("demo_setup")
    again = json.loads(printed("demo_setup"))
    assert {name for name, value in again.items() if value is not None} == {"admin_user", "tenant"}
    assert (ApiKey.objects.count(), EndUser.objects.count()) == (1, 2)
