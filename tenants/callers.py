"""The caller of a request: the value of `request.user` in every API view."""

from dataclasses import dataclass
from typing import Literal, cast

from rest_framework.request import Request

from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant's backend (`server_key`, with scopes) or a client of one of its users (`user_token`, with `user_id`)."""

    tenant: Tenant
    kind: Literal["server_key", "user_token"]
    label: str  # key:<prefix> or user:<user id>
    scopes: frozenset[str] = frozenset()
    user_id: str | None = None
    is_authenticated: bool = True

    @property
    def is_server(self) -> bool:
        return self.kind == "server_key"

    @property
    def pk(self) -> str:
        """Django and DRF identify a user by this attribute."""
        return f"{self.tenant.pk}/{self.label}"


def caller_of(request: Request) -> Caller:
    """The caller of a request that has passed ScopePermission."""
    return cast(Caller, request.user)


def require_server(caller: Caller) -> None:
    """For methods that only a backend may call, in a view that also accepts user tokens. Raises ApiError FORBIDDEN."""
    if not caller.is_server:
        raise ApiError(ErrorCode.FORBIDDEN, detail="This operation needs a server key; a user token is not enough.")


def require_own_user(caller: Caller, user_id: str) -> None:
    """A user token gives access to its own user only. Raises ApiError FORBIDDEN."""
    if not caller.is_server and caller.user_id != user_id:
        raise ApiError(ErrorCode.FORBIDDEN, detail="A user token gives access to its own user only.")
