"""User tokens: short-lived JWTs (RFC 7519) that let a client act for one user.

The algorithm comes from the stored key, never from the token (RFC 8725 §3.1). `aud` names the tenant; in a token
without `aud`, `iss` does. So a token that the tenant made for another service is not valid here.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.utils import timezone

from pushhub.kernel.crypto import SealBroken, unseal
from pushhub.kernel.purposes import Purpose
from tenants.models import IdentityKey, Tenant
from tenants.user_ids import user_id_fault

LIFETIME_MAX = timedelta(hours=24)
LEEWAY = timedelta(seconds=30)
LENGTH_MAX = 4096
KID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class TokenRefused(Exception):
    """The token does not authenticate a user. The text says why, and contains nothing of the token."""


def user_token_sign(*, tenant: Tenant, key: IdentityKey, user_id: str, expires_at: datetime) -> str:
    """Signs a token with a stored HS256 identity key."""
    claims = {
        "iss": tenant.slug,
        "aud": tenant.slug,
        "sub": user_id,
        "iat": int(timezone.now().timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    secret = unseal(bytes(key.secret_sealed or b""), purpose=Purpose.IDENTITY_KEY)
    return jwt.encode(claims, secret, algorithm=IdentityKey.Algorithm.HS256, headers={"kid": key.kid})


def user_token_verify(token: str) -> tuple[Tenant, str]:
    """The tenant and the user id of a token. Uses one query. Raises TokenRefused."""
    key = _key_of(token)
    try:
        claims = jwt.decode(
            token,
            _verification_key(key),
            algorithms=[key.alg],
            leeway=LEEWAY,
            options={"require": ["exp", "sub"], "verify_aud": False, "verify_iss": False},
        )
        expires_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
    except jwt.ExpiredSignatureError:
        raise TokenRefused("The user token has expired.") from None
    except (jwt.InvalidTokenError, SealBroken, RecursionError, ValueError, TypeError, OverflowError, OSError):
        # PyJWT converts claims with int(), which raises these errors for Infinity, null and dates out of range.
        raise TokenRefused("The user token is not valid.") from None
    if expires_at > timezone.now() + LIFETIME_MAX + LEEWAY:
        raise TokenRefused("The user token's exp is more than 24 hours in the future.")
    user_id: str = claims["sub"]
    if fault := user_id_fault(user_id):
        raise TokenRefused(f"The user token's sub cannot be used. {fault}")
    return key.tenant, user_id


def _key_of(token: str) -> IdentityKey:
    kid, tenant = _names(token)
    if not KID.fullmatch(kid) or (not (by_id := _uuid(tenant)) and not SLUG.fullmatch(tenant)):
        raise TokenRefused("The user token has no valid kid, or no aud (iss) that names the tenant.")
    keys = IdentityKey.objects.select_related("tenant").filter(kid=kid, revoked_at=None, tenant__is_active=True)
    key = (keys.filter(tenant_id=by_id) if by_id else keys.filter(tenant__slug=tenant)).first()
    if key is None:
        raise TokenRefused("The tenant has no identity key with this kid.")
    return key


def _names(token: str) -> tuple[str, str]:
    """(`kid`, tenant id or slug), not verified: they only select the key to verify with."""
    if len(token) > LENGTH_MAX:
        raise TokenRefused("The user token is too long.")
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, RecursionError, ValueError):
        raise TokenRefused("The credential is neither a server key nor a JWT.") from None
    audience = parts["payload"].get("aud", parts["payload"].get("iss"))
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    return _text(parts["header"].get("kid")), _text(audience)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def _verification_key(key: IdentityKey) -> Any:
    """The bytes of the HS256 secret, or the parsed public key."""
    if key.alg == IdentityKey.Algorithm.HS256:
        return unseal(bytes(key.secret_sealed or b""), purpose=Purpose.IDENTITY_KEY)
    return _public_key(key.public_key)


@lru_cache(maxsize=1024)
def _public_key(pem: str) -> PublicKeyTypes:
    return load_pem_public_key(pem.encode())
