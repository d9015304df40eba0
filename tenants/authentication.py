"""`Authorization: Bearer …` → Caller, with one query and no cache: a revoked key is refused from the next request on.

The query is a look-up by a unique index (docs/decisions/0005-callers.md). A cache of even a few seconds would surprise
an operator who has just revoked a leaked key.
"""

from datetime import timedelta
from functools import cache

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from typing_extensions import override

from pushhub.kernel.database import columns, row_build, statement_run
from pushhub.kernel.metrics import Metric, count
from tenants.callers import Caller
from tenants.models import ApiKey, Tenant
from tenants.server_keys import ServerKey, server_key_parse
from tenants.user_tokens import TokenRefused, user_token_verify

LAST_USED_EVERY = timedelta(minutes=1)


class BearerAuthentication(BaseAuthentication):
    @override
    def authenticate(self, request: Request) -> tuple[Caller, Caller] | None:
        scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.recognises(credential.strip()):
            return None
        caller = self.caller(credential.strip())
        return caller, caller

    @override
    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def recognises(self, credential: str) -> bool:
        raise NotImplementedError

    def caller(self, credential: str) -> Caller:
        """Raises AuthenticationFailed."""
        raise NotImplementedError


class ServerKeyAuthentication(BearerAuthentication):
    """`phk_<prefix>_<secret>`."""

    @override
    def recognises(self, credential: str) -> bool:
        return credential.startswith("phk_")

    @override
    def caller(self, credential: str) -> Caller:
        presented = server_key_parse(credential)
        key = presented and _find(presented.prefix)
        if not presented or not key or not _usable(key, presented):
            count(Metric.AUTHENTICATION_FAILURES, reason="server_key")
            raise AuthenticationFailed("The server key is unknown, expired or revoked.")
        _touch(key)
        return Caller(key.tenant, "server_key", f"key:{key.prefix}", scopes=frozenset(key.scopes))


class UserTokenAuthentication(BearerAuthentication):
    """Every other bearer credential: a JWT signed with one of the tenant's identity keys."""

    @override
    def recognises(self, credential: str) -> bool:
        return not credential.startswith("phk_")

    @override
    def caller(self, credential: str) -> Caller:
        try:
            tenant, user_id = user_token_verify(credential)
        except TokenRefused as refused:
            count(Metric.AUTHENTICATION_FAILURES, reason="user_token")
            raise AuthenticationFailed(str(refused)) from None
        return Caller(tenant, "user_token", f"user:{user_id}", user_id=user_id)


def _find(prefix: str) -> ApiKey | None:
    """The key and its tenant, by the unique index of the prefix."""
    rows = statement_run(_key_statement(), {"prefix": prefix})
    if not rows:
        return None
    key, rest = row_build(ApiKey, rows[0])
    key.tenant, _ = row_build(Tenant, rest)
    return key


@cache
def _key_statement() -> str:
    key, tenant = columns(ApiKey, "key"), columns(Tenant, "tenant")
    return (
        f"SELECT {key}, {tenant} FROM tenants_apikey key JOIN tenants_tenant tenant ON tenant.id = key.tenant_id "  # noqa: S608 - columns of models
        "WHERE key.prefix = %(prefix)s::varchar"
    )


def _usable(key: ApiKey, presented: ServerKey) -> bool:
    live = key.revoked_at is None and (key.expires_at is None or key.expires_at > timezone.now())
    return presented.matches(bytes(key.secret_hash)) and live and key.tenant.is_active


def _touch(key: ApiKey) -> None:
    """Writes at most once a minute. The condition is repeated in SQL, so that a burst of requests causes one write."""
    due = timezone.now() - LAST_USED_EVERY
    if key.last_used_at is None or key.last_used_at < due:
        stale = ApiKey.objects.filter(pk=key.pk).exclude(last_used_at__gte=due)
        stale.update(last_used_at=timezone.now())
