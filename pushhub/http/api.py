"""The base of every view of the REST API: one base class, one body parser, one error format, one kind of list.

Apps import from this module only. The parts are in `parsing`, `serializers` and `problems`.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import unquote_to_bytes

from django.core import signing
from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from pushhub.http.fields import JsonObjectField, LocaleField, MomentField, SafeTextField, TimezoneField, UserIdField
from pushhub.http.parsing import StrictJSONParser, is_utf8, json_read, pointer_escape
from pushhub.http.problems import field_errors, problem_handler, problem_response
from pushhub.http.serializers import ListQuery, QuerySerializer, StrictSerializer, shared
from pushhub.kernel.errors import ApiError, ErrorCode

__all__ = [
    "ApiView",
    "CursorPage",
    "JsonObjectField",
    "ListQuery",
    "LocaleField",
    "MomentField",
    "QuerySerializer",
    "SafeTextField",
    "SignedView",
    "StrictJSONParser",
    "StrictSerializer",
    "TimezoneField",
    "UserIdField",
    "bounded_body",
    "cacheable",
    "cursor_paginate",
    "field_errors",
    "json_read",
    "pointer_escape",
    "problem_handler",
    "problem_response",
    "shared",
]

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_CONTROL = re.compile("[\x00-\x1f\x7f]")

Row = TypeVar("Row", bound=Model)


class ApiView(APIView):
    """`required_scopes` names the scope that a server key needs for each method; None means that every key may call.
    With `allow_user_token` the tenant's users may call too. A view without credentials sets
    `authentication_classes = []` and `permission_classes = []`."""

    http_method_names = [
        "get",
        "head",
        "post",
        "put",
        "patch",
        "delete",
    ]  # the CORS middleware responds to OPTIONS
    required_scopes: ClassVar[Mapping[str, str | None]] = {}
    allow_user_token: ClassVar[bool] = False

    @override
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Also refuses addresses with control characters, because PostgreSQL stores no NUL in a text, and addresses
        that are not UTF-8, because Django would turn them into another name: `%FF` becomes the text "%FF"."""
        super().initial(request, *args, **kwargs)
        if not getattr(request, "path_is_text", True):
            raise ApiError(ErrorCode.NOT_FOUND, detail="The address is not UTF-8.")
        if not is_utf8(unquote_to_bytes(request.META.get("QUERY_STRING", "").encode("latin-1"))):
            raise ApiError(ErrorCode.MALFORMED, detail="The query is not UTF-8.")
        for name, value in kwargs.items():
            if _CONTROL.search(str(value)):
                raise ApiError(ErrorCode.NOT_FOUND, detail=f"{name} contains a control character.")
        for name, values in request.query_params.lists():
            if any(_CONTROL.search(value) for value in (name, *values)):
                raise ApiError(ErrorCode.MALFORMED, detail="A query parameter contains a control character.")

    @override
    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        return response


class SignedView(ApiView):
    """A view for signed requests. They need no other credential."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []


def bounded_body(request: Request, *, limit: int) -> bytes:
    """The body as it was sent. Raises ApiError TOO_LARGE for more than `limit` bytes."""
    if len(request.body) > limit:
        raise ApiError(ErrorCode.TOO_LARGE, detail=f"The body may have at most {limit // 1024} KiB.")
    return request.body


@dataclass(frozen=True, slots=True)
class CursorPage(Generic[Row]):
    """One page of a list: the rows, and the cursor of the next page or None."""

    items: list[Row]
    next: str | None

    def response(self, represent: Callable[[Row], Any]) -> Response:
        """`{"data": [...], "next": cursor | null}`."""
        return Response({"data": [represent(row) for row in self.items], "next": self.next})


def cursor_paginate(queryset: QuerySet[Row], request: Request, *, key: str = "-id") -> CursorPage[Row]:
    """One page by keyset. `?limit=` is 1 to 200 (default 50), `?cursor=` is the `next` of the previous page.

    `key` is a unique column, with `-` for descending order. Pages stay correct while rows are added and removed. The
    cursor is signed and is valid only for the address it was issued for. Raises ApiError(CURSOR_INVALID, INVALID).
    """
    descending, column = key.startswith("-"), key.lstrip("-")
    signer = signing.Signer(salt=f"cursor:{request.path}:{key}")
    limit = _limit(request.query_params.get("limit"))
    cursor = request.query_params.get("cursor")
    if cursor is not None:
        bound = _cursor_value(queryset, column, signer, cursor)
        queryset = queryset.filter(**{f"{column}__{'lt' if descending else 'gt'}": bound})
    rows = list(queryset.order_by(key)[: limit + 1])
    following = signer.sign_object(str(getattr(rows[limit - 1], column))) if len(rows) > limit else None
    return CursorPage(rows[:limit], following)


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise ApiError(ErrorCode.INVALID, detail=f"Must be 1 to {MAX_LIMIT}.", pointer="?limit")
    return int(text)


def _cursor_value(queryset: QuerySet[Any], column: str, signer: signing.Signer, cursor: str) -> Any:
    try:
        return queryset.model._meta.get_field(column).to_python(signer.unsign_object(cursor))
    except (signing.BadSignature, ModelValidationError, ValueError):
        raise ApiError(ErrorCode.CURSOR_INVALID, pointer="?cursor") from None


def cacheable(request: Request, body: Any, *, max_age: int, etag: str | None = None, public: bool = False) -> Response:
    """A 200 with ETag and max-age (seconds), or a 304 without a body if the caller already has it (RFC 9110 §13.1.2).

    `etag` (without quotes) defaults to a digest of `body`. A response depends on the credential: shared caches may
    store it only if it is `public`.
    """
    if etag is None:
        etag = hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:32]
    headers = {
        "ETag": f'"{etag}"',
        "Cache-Control": f"{'public' if public else 'private'}, max-age={max_age}",
        "Vary": "Authorization",
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    if known & {"*", f'"{etag}"'}:
        return Response(status=304, headers=headers)
    return Response(body, headers=headers)
