"""User tokens are verified with the stored key and its algorithm; the token chooses neither."""

import base64
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tenants.models import IdentityKey
from tenants.services import (
    TenantCreated,
    identity_key_create,
    identity_key_import,
    identity_key_revoke,
    user_token_mint,
)
from tenants.user_tokens import TokenRefused, user_token_verify

pytestmark = pytest.mark.django_db


def signed(
    created: TenantCreated, *, key: Any = None, alg: str = "HS256", kid: str | None = None, **changes: Any
) -> str:
    """A token for alice, valid except for `changes` (None omits a claim)."""
    claims = {"aud": created.tenant.slug, "sub": "alice", "exp": int(time.time()) + 600} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    headers = {"kid": created.identity_key.key.kid if kid is None else kid}
    return jwt.encode(claims, key or created.identity_key.secret, algorithm=alg, headers=headers)


def pem(private: Any) -> str:
    public: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public.decode()


def user_of(token: str) -> str:
    return user_token_verify(token)[1]


def test_a_created_token_is_valid_for_its_user(acme: TenantCreated) -> None:
    tenant, user_id = user_token_verify(user_token_mint(tenant=acme.tenant, user_id="alice"))
    assert (tenant, user_id) == (acme.tenant, "alice")


def test_verification_needs_one_query(acme: TenantCreated, django_assert_num_queries: Any) -> None:
    token = signed(acme)
    with django_assert_num_queries(1):
        user_token_verify(token)


@pytest.mark.parametrize("claim", ["aud", "iss"])
@pytest.mark.parametrize("name", ["slug", "id"])
def test_aud_or_iss_is_the_slug_or_the_id_of_the_tenant(acme: TenantCreated, claim: str, name: str) -> None:
    claims: dict[str, Any] = {"aud": None, claim: str(getattr(acme.tenant, name))}
    assert user_of(signed(acme, **claims)) == "alice"


def test_a_token_for_another_service_is_refused_even_with_the_tenants_iss(acme: TenantCreated) -> None:
    with pytest.raises(TokenRefused):
        user_token_verify(signed(acme, aud="billing", iss="acme"))


def test_es256_and_rs256_keys_verify(acme: TenantCreated) -> None:
    for private, alg in (
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (rsa.generate_private_key(65537, 2048), "RS256"),
    ):
        key = identity_key_import(tenant=acme.tenant, public_key=pem(private)).key
        assert (key.alg, user_of(signed(acme, key=private, alg=alg, kid=key.kid))) == (alg, "alice")


def test_a_public_key_is_not_accepted_as_an_hmac_secret(acme: TenantCreated) -> None:
    """RFC 8725 §2.1: a signature with HS256 over the PEM of a key stored as ES256."""
    public = pem(ec.generate_private_key(ec.SECP256R1()))
    key = identity_key_import(tenant=acme.tenant, public_key=public).key
    header = _part({"alg": "HS256", "kid": key.kid})
    signing_input = f"{header}.{_part({'aud': 'acme', 'sub': 'alice', 'exp': int(time.time()) + 60})}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        signing_input.encode(), public.encode()
    )
    with pytest.raises(TokenRefused):
        user_token_verify(f"{signing_input}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")


def test_alg_none_is_refused(acme: TenantCreated) -> None:
    head = _part({"alg": "none", "kid": acme.identity_key.key.kid})
    with pytest.raises(TokenRefused):
        user_token_verify(f"{head}.{_part({'aud': 'acme', 'sub': 'alice', 'exp': int(time.time()) + 60})}.")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"sub": None},
        {"aud": None},
        {"aud": "globex"},
        {"aud": "unknown"},
        {"aud": "a\0"},
        {"aud": ["acme", "globex"]},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "a\nb"},
        {"exp": timedelta(seconds=-31)},
        {"exp": timedelta(hours=24, seconds=120)},
        {"exp": 1e300},
        {"exp": float("inf")},
        {"nbf": timedelta(seconds=90)},
        {"kid": "unknown"},
        {"kid": "nul\0"},
        {"kid": ""},
        {"key": "another-secret-of-thirty-two-bytes!"},
    ],
    ids=lambda changes: "-".join(f"{name}={str(value)[:12]!r}" for name, value in changes.items()),
)
def test_an_invalid_token_is_refused(acme: TenantCreated, globex: TenantCreated, changes: Any) -> None:
    with pytest.raises(TokenRefused):
        user_token_verify(signed(acme, **{name: _moment(value) for name, value in changes.items()}))


def _moment(value: Any) -> Any:
    """A moment relative to the run of the test. The list above is created when tests are collected, minutes before."""
    return int(time.time() + value.total_seconds()) if isinstance(value, timedelta) else value


@pytest.mark.parametrize("sub", [5, {"a": 1}, None])
def test_sub_must_be_a_string(acme: TenantCreated, sub: Any) -> None:
    head, payload = (
        _part({"alg": "HS256", "kid": acme.identity_key.key.kid}),
        {"aud": "acme", "exp": int(time.time()) + 60},
    )
    text = f"{head}.{_part(payload | {'sub': sub})}"
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    mac = hmac.sign(text.encode(), acme.identity_key.secret.encode())
    with pytest.raises(TokenRefused):
        user_token_verify(f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def test_a_clock_difference_of_thirty_seconds_is_accepted(acme: TenantCreated) -> None:
    assert user_of(signed(acme, exp=int(time.time()) - 25)) == "alice"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "." * 10, "e30.e30.e30", "x" * 5000, "é.é.é"])
def test_a_text_that_is_no_token_is_refused(db: None, token: str) -> None:
    with pytest.raises(TokenRefused):
        user_token_verify(token)


def test_a_deeply_nested_payload_is_refused(db: None) -> None:
    nested = base64.urlsafe_b64encode(b"[" * 2800).decode().rstrip("=")
    with pytest.raises(TokenRefused):
        user_token_verify(f"{_part({'alg': 'HS256', 'kid': 'k'})}.{nested}.AA")


def test_the_tokens_of_a_revoked_identity_key_are_refused(acme: TenantCreated) -> None:
    token = signed(acme)
    identity_key_revoke(tenant=acme.tenant, kid=acme.identity_key.key.kid)
    with pytest.raises(TokenRefused):
        user_token_verify(token)


def test_the_users_of_an_inactive_tenant_are_refused(acme: TenantCreated) -> None:
    acme.tenant.is_active = False
    acme.tenant.save()
    with pytest.raises(TokenRefused):
        user_token_verify(signed(acme))


def test_a_token_of_another_tenants_key_with_the_same_kid_is_refused(
    acme: TenantCreated, globex: TenantCreated
) -> None:
    created = identity_key_create(tenant=globex.tenant, kid=acme.identity_key.key.kid)
    with pytest.raises(TokenRefused):
        user_token_verify(signed(acme, key=created.secret))


def test_the_secret_is_stored_sealed(acme: TenantCreated) -> None:
    assert acme.identity_key.secret.encode() not in bytes(IdentityKey.objects.get().secret_sealed or b"")


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
