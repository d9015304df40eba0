"""Services that create and change tenants, their keys and their users. Only their results contain secrets."""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from pushhub.kernel.crypto import seal
from pushhub.kernel.database import columns, row_build, statement_run
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.purposes import Purpose
from tenants.hooks import tenant_created_run
from tenants.models import ApiKey, EndUser, IdentityKey, Tenant
from tenants.scopes import ALL_SCOPES
from tenants.server_keys import ServerKey
from tenants.user_ids import user_id_fault
from tenants.user_tokens import KID, SLUG, user_token_sign

TOKEN_SECONDS = 3600
_USERS_MISSING = """
INSERT INTO tenants_enduser (tenant_id, user_id, attributes, locale, timezone, created_at, updated_at)
SELECT %(tenant)s, wanted.user_id, '{}', '', '', statement_timestamp(), statement_timestamp()
  FROM json_array_elements_text(%(wanted)s::json) AS wanted (user_id)
 WHERE NOT EXISTS (SELECT 1 FROM tenants_enduser known
                    WHERE known.tenant_id = %(tenant)s AND known.user_id = wanted.user_id)
ON CONFLICT DO NOTHING
"""
_USERS_LOCKED = """
SELECT id, user_id FROM tenants_enduser
 WHERE tenant_id = %(tenant)s AND user_id IN (SELECT json_array_elements_text(%(wanted)s::json))
 ORDER BY id FOR KEY SHARE
"""
TOKEN_SECONDS_MIN, TOKEN_SECONDS_MAX = 60, 86_400
HS256_SECRET_MIN = 32
RATE_MAX = 1_000_000
RSA_BITS_MIN = 2048


@dataclass(frozen=True, slots=True)
class IdentityKeyCreated:
    """`secret` signs HS256 tokens; its UTF-8 bytes are the key. It is empty for imported public keys."""

    key: IdentityKey
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ApiKeyCreated:
    key: ApiKey
    server_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TenantCreated:
    """`extra` contains the values that other apps created for the tenant, such as `vapid_public_key`."""

    tenant: Tenant
    server_key: str = field(repr=False)
    identity_key: IdentityKeyCreated
    extra: dict[str, Any]


@dataclass(frozen=True, slots=True)
class UserToken:
    token: str = field(repr=False)
    expires_at: datetime


def tenant_create(*, slug: str, name: str = "") -> TenantCreated:
    """A tenant with a server key with all scopes, an HS256 identity key, and the objects of other apps' hooks. Raises
    ApiError."""
    if not SLUG.fullmatch(slug):
        raise _invalid(
            "/slug", "A slug has 1 to 63 characters of a-z, 0-9 and '-', and neither starts nor ends with '-'."
        )
    with transaction.atomic():
        try:
            with transaction.atomic():
                tenant = Tenant.objects.create(slug=slug, name=name)
        except IntegrityError:
            raise ApiError(ErrorCode.CONFLICT, detail=f"The tenant {slug!r} already exists.", pointer="/slug") from None
        api_key = apikey_create(tenant=tenant, scopes=ALL_SCOPES, name="first key")
        identity_key = identity_key_create(tenant=tenant)
        return TenantCreated(tenant, api_key.server_key, identity_key, tenant_created_run(tenant))


def tenant_limit(*, tenant: Tenant, deliveries_per_second: int | None) -> Tenant:
    """Sets the rate limit on the tenant's deliveries, for all workers and apps together; None removes it. It is applied
    from the next claim on. Raises ApiError."""
    if deliveries_per_second is not None and not 1 <= deliveries_per_second <= RATE_MAX:
        raise _invalid("/deliveries_per_second", f"The limit must be 1 to {RATE_MAX} deliveries per second.")
    tenant.deliveries_per_second = deliveries_per_second
    tenant.save(update_fields=["deliveries_per_second"])
    return tenant


def tenant_link_schemes(*, tenant: Tenant, schemes: Sequence[str]) -> Tenant:
    """Replaces the schemes of links that open the tenant's apps. Raises ApiError."""
    tenant.link_schemes = list(dict.fromkeys(schemes))
    try:
        tenant.clean_fields(exclude={field.name for field in Tenant._meta.fields} - {"link_schemes"})
    except ValidationError as error:
        raise _invalid("/link_schemes", " ".join(error.messages)) from None
    tenant.save(update_fields=["link_schemes"])
    return tenant


def apikey_create(
    *, tenant: Tenant, scopes: Iterable[str], name: str = "", expires_at: datetime | None = None
) -> ApiKeyCreated:
    """A new server key. Older keys stay valid, so that keys can be rotated without an interruption. Raises ApiError."""
    wanted = sorted({str(scope) for scope in scopes})
    if unknown := [scope for scope in wanted if scope not in ALL_SCOPES]:
        raise _invalid(
            "/scopes", f"Unknown scopes: {', '.join(unknown)}. Known scopes: {', '.join(sorted(ALL_SCOPES))}."
        )
    if not wanted:
        raise _invalid("/scopes", "A key needs at least one scope.")
    if expires_at is not None and expires_at <= timezone.now():
        raise _invalid("/expires_at", "The expiry must be in the future.")
    server_key = ServerKey.generate()
    key = ApiKey.objects.create(
        tenant=tenant,
        name=name,
        prefix=server_key.prefix,
        secret_hash=server_key.secret_hash,
        scopes=wanted,
        expires_at=expires_at,
    )
    return ApiKeyCreated(key, server_key.text)


def apikey_revoke(*, tenant: Tenant, prefix: str) -> ApiKey:
    """The key is refused from the next request on. A repeated call changes nothing. Raises ApiError NOT_FOUND."""
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().filter(tenant=tenant, prefix=prefix).first()
        if key is None:
            raise ApiError(ErrorCode.NOT_FOUND, detail="The tenant has no server key with this prefix.")
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
    return key


def identity_key_create(*, tenant: Tenant, secret: str = "", kid: str = "") -> IdentityKeyCreated:
    """An HS256 identity key with a generated or given secret of at least 32 bytes (RFC 7518 §3.2). Raises ApiError."""
    secret = secret or secrets.token_urlsafe(32)
    if len(secret.encode()) < HS256_SECRET_MIN:
        raise _invalid("/secret", f"An HS256 secret has at least {HS256_SECRET_MIN} bytes.")
    sealed = seal(secret.encode(), purpose=Purpose.IDENTITY_KEY)
    return IdentityKeyCreated(_identity_key(tenant, kid, IdentityKey.Algorithm.HS256, secret_sealed=sealed), secret)


def identity_key_import(*, tenant: Tenant, public_key: str, kid: str = "") -> IdentityKeyCreated:
    """A PEM public key: P-256 for ES256, RSA of at least 2048 bits for RS256. Raises ApiError."""
    return IdentityKeyCreated(_identity_key(tenant, kid, identity_key_algorithm(public_key), public_key=public_key))


def identity_key_revoke(*, tenant: Tenant, kid: str) -> IdentityKey:
    """The key's tokens are refused from the next request on. Raises ApiError NOT_FOUND."""
    with transaction.atomic():
        key = IdentityKey.objects.select_for_update().filter(tenant=tenant, kid=kid).first()
        if key is None:
            raise ApiError(ErrorCode.NOT_FOUND, detail="The tenant has no identity key with this kid.")
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
    return key


def user_token_issue(*, tenant: Tenant, user_id: str, ttl_seconds: int = TOKEN_SECONDS) -> UserToken:
    """A token signed with the tenant's newest HS256 identity key. Raises ApiError."""
    if fault := user_id_fault(user_id):
        raise _invalid("/user_id", fault)
    if not TOKEN_SECONDS_MIN <= ttl_seconds <= TOKEN_SECONDS_MAX:
        raise _invalid("/ttl_seconds", f"A user token is valid for {TOKEN_SECONDS_MIN} to {TOKEN_SECONDS_MAX} seconds.")
    live = IdentityKey.objects.filter(tenant=tenant, alg=IdentityKey.Algorithm.HS256, revoked_at=None)
    key = live.order_by("-created_at").first()
    if key is None:
        raise ApiError(ErrorCode.CONFLICT, detail="The tenant has no HS256 identity key, which signs user tokens.")
    expires_at = timezone.now().replace(microsecond=0) + timedelta(seconds=ttl_seconds)
    return UserToken(user_token_sign(tenant=tenant, key=key, user_id=user_id, expires_at=expires_at), expires_at)


def user_token_mint(*, tenant: Tenant, user_id: str, ttl_seconds: int = TOKEN_SECONDS) -> str:
    return user_token_issue(tenant=tenant, user_id=user_id, ttl_seconds=ttl_seconds).token


def end_user_ensure(*, tenant: Tenant, user_id: str, pointer: str = "/user_id") -> EndUser:
    """The user, created if it does not exist, also when several callers do so at once. `pointer` is the place of the id
    in the body. Raises ApiError."""
    if fault := user_id_fault(user_id):
        raise _invalid(pointer, fault)
    rows = statement_run(_user_statement(), {"tenant": tenant.id, "user": user_id})
    return row_build(EndUser, rows[0])[0] if rows else EndUser.objects.get_or_create(tenant=tenant, user_id=user_id)[0]


@cache
def _user_statement() -> str:
    """Index: end_user_user_id."""
    return (
        f"SELECT {columns(EndUser, 'person')} FROM tenants_enduser person "  # noqa: S608 - columns of a model
        "WHERE person.tenant_id = %(tenant)s AND person.user_id = %(user)s::varchar"
    )


def end_users_ensure(*, tenant: Tenant, user_ids: Iterable[str]) -> dict[str, int]:
    """Primary keys by user id; missing users are created. The ids must pass `user_id_fault`. Call it in a transaction:
    the users cannot be erased until it ends.

    Users are created and locked in one order, so that two callers with the same users do not deadlock.
    """
    wanted = sorted(set(user_ids))
    if not wanted:
        return {}
    values = {"tenant": tenant.id, "wanted": json.dumps(wanted, ensure_ascii=False)}
    statement_run(_USERS_MISSING, values, plan_kept=False)
    return {user_id: pk for pk, user_id in statement_run(_USERS_LOCKED, values, plan_kept=False)}


def end_user_replace(
    *, tenant: Tenant, user_id: str, attributes: dict[str, Any], locale: str, timezone: str
) -> tuple[EndUser, bool]:
    """Returns (the user, whether it was created). Raises ApiError."""
    if fault := user_id_fault(user_id):
        raise _invalid("", fault)
    profile = {"attributes": attributes, "locale": locale, "timezone": timezone}
    return EndUser.objects.update_or_create(tenant=tenant, user_id=user_id, defaults=profile)


def end_user_update(*, tenant: Tenant, user_id: str, changes: dict[str, Any]) -> EndUser:
    """Sets any of `attributes` (as a whole), `locale` and `timezone`. Raises ApiError NOT_FOUND."""
    with transaction.atomic():
        user = EndUser.objects.select_for_update().filter(tenant=tenant, user_id=user_id).first()
        if user is None:
            raise ApiError(ErrorCode.NOT_FOUND)
        for name, value in changes.items():
            setattr(user, name, value)
        user.save(update_fields=[*changes, "updated_at"])
    return user


def end_user_picture_set(
    *, tenant: Tenant, user_id: str, picture: dict[str, Any] | None, replaces: dict[str, Any] | None
) -> bool:
    """Compare and set: sets the published avatar (None: no avatar) if the user still has the picture `replaces`.
    Otherwise nothing changes and the result is False."""
    users = EndUser.objects.filter(tenant=tenant, user_id=user_id)
    unchanged = users.filter(picture__isnull=True) if replaces is None else users.filter(picture=replaces)
    return bool(unchanged.update(picture=picture, updated_at=timezone.now()))


def _identity_key(tenant: Tenant, kid: str, alg: str, **material: Any) -> IdentityKey:
    kid = kid or secrets.token_hex(8)
    if not KID.fullmatch(kid):
        raise _invalid("/kid", "A kid has 1 to 64 characters of A-Z, a-z, 0-9, '.', '_', '~' and '-'.")
    try:
        with transaction.atomic():
            return IdentityKey.objects.create(tenant=tenant, kid=kid, alg=alg, **material)
    except IntegrityError:
        raise ApiError(ErrorCode.CONFLICT, detail=f"The tenant already has an identity key {kid!r}.") from None


def identity_key_algorithm(public_key: str) -> str:
    """`ES256` or `RS256`. Raises ApiError."""
    try:
        key = load_pem_public_key(public_key.encode())
    except Exception:  # for invalid input, cryptography raises ValueError and several errors of its own
        raise _invalid("/public_key", "This is not a PEM public key (BEGIN PUBLIC KEY).") from None
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return IdentityKey.Algorithm.ES256
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        return IdentityKey.Algorithm.RS256
    raise _invalid("/public_key", f"Use a P-256 key (ES256) or an RSA key of at least {RSA_BITS_MIN} bits (RS256).")


def _invalid(pointer: str, detail: str) -> ApiError:
    return ApiError(ErrorCode.INVALID, detail=detail, pointer=pointer)
