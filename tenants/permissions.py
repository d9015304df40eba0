"""Scopes: a view declares the scope that each method needs, and whether it accepts user tokens."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from typing_extensions import override

from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller, require_server


class ScopePermission(BasePermission):
    """Uses the view's `required_scopes` (method → scope, or None for any server key) and `allow_user_token`.

    No caller: 401. A server key without the scope: 403 `scope_missing`, with the scope's name. A user token where it is
    not allowed: 403 `forbidden`. A method without an entry in `required_scopes` is a mistake in the view, and raises
    ImproperlyConfigured instead of allowing the request.
    """

    @override
    def has_permission(self, request: Request, view: Any) -> bool:
        caller = request.user
        if not isinstance(caller, Caller):
            return False
        method = {"HEAD": "GET"}.get(request.method or "", request.method or "")
        if method == "OPTIONS" or not hasattr(view, method.lower()):
            return True  # the view responds with 405
        if not caller.is_server:
            if not getattr(view, "allow_user_token", False):
                require_server(caller)
            return True
        _scope_check(caller, view, method)
        return True


def _scope_check(caller: Caller, view: Any, method: str) -> None:
    required: dict[str, str | None] = getattr(view, "required_scopes", {})
    if method not in required:
        raise ImproperlyConfigured(f"{type(view).__name__}.required_scopes does not list {method}.")
    scope = required[method]
    if scope is not None and scope not in caller.scopes:
        raise ApiError(ErrorCode.SCOPE_MISSING, detail=f"The server key does not have the scope {str(scope)!r}.")
