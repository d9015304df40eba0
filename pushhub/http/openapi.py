"""The OpenAPI 3.1 document, generated from the code: every operation with its callers, its examples and all errors that
it can return."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import Direction, OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.serializers import BaseSerializer
from typing_extensions import override

from pushhub.http.api import ListQuery, QuerySerializer, StrictSerializer
from pushhub.http.problems import PROBLEM_TYPE, problem_document
from pushhub.kernel.errors import MAX_ERRORS, ApiError, ErrorCode

Handler = TypeVar("Handler", bound=Callable[..., Any])

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="A repeated request with the same key gets the first committed response again, for 24 hours.",
)
IDEMPOTENCY_ERRORS = (
    ErrorCode.IDEMPOTENCY_KEY_INVALID,
    ErrorCode.IDEMPOTENCY_IN_PROGRESS,
    ErrorCode.IDEMPOTENCY_MISMATCH,
)

SECURITY_SCHEMES = {
    "server_key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "phk_<prefix>_<secret>",
        "description": "A tenant's server key. Each operation names the scope it needs. Never give a key to a client.",
    },
    "user_token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A short-lived token of one user of the tenant. It gives access to that user's objects only.",
    },
    "device_secret": {
        "type": "apiKey",
        "in": "header",
        "name": "Device-Secret",
        "description": "The secret that the first registration returned. A device needs it to log out or to send a new "
        "token. It is valid for this one device only; any other secret gives 401.",
    },
}

ERROR_CODES = [code.code for code in ErrorCode]

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. Switch on `code`. A `pointer` points into the body, or is `?name` for a query parameter.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": ERROR_CODES},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["pointer", "detail"],
            },
            "maxItems": MAX_ERRORS,
        },
        "errors_omitted": {
            "type": "integer",
            "minimum": 1,
            "description": f"Only with more than {MAX_ERRORS} errors: how many of them are not in `errors`. A list, "
            "object or string that is too large is one error; its members are not validated then.",
        },
        "request_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "code", "detail", "errors", "request_id"],
}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {"description": "The id of this request in all log lines.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}},
    "Location": {"description": "The address of the created object.", "schema": {"type": "string"}},
    "ETag": {"description": "For `If-None-Match`.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "How long the response may be cached.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "This is the response to an earlier request with the same key.",
        "schema": {"const": "true"},
    },
    "RateLimit-Limit": {"description": "Requests allowed per minute.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "Requests that are allowed now.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until the full limit is available.", "schema": {"type": "integer"}},
}
_RATE = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def documented(
    *,
    summary: str,
    description: str = "",
    request: type[BaseSerializer[Any]] | Mapping[str, Any] | None = None,
    query: type[QuerySerializer] | None = None,
    responses: Mapping[Any, type[BaseSerializer[Any]] | OpenApiResponse | None],
    errors: Iterable[ErrorCode] = (),
    examples: Sequence[OpenApiExample] = (),
    response_examples: Mapping[int, Any] | None = None,
    parameters: Sequence[OpenApiParameter] = (),
    headers: Sequence[str] = (),
    idempotent: bool = False,
    server_only: bool = False,
) -> Callable[[Handler], Handler]:
    """Describes a handler method (`get`, `post` …) of an ApiView.

    Where a body is not JSON, `request` maps media types to schemas, and a key of `responses` is (status, media type).
    `examples` are request bodies. `response_examples` has one JSON body for each successful status.
    `errors` and `headers` (of successful responses) are those of this operation only. Those that follow from a body, a
    path variable, a credential, a rate limit or a list are added. `idempotent` adds the Idempotency-Key header and its
    errors. `server_only` means that the operation accepts no user token, although its view does.
    """
    documented_parts = {
        "documented_errors": (*errors, *(IDEMPOTENCY_ERRORS if idempotent else ())),
        "documented_headers": (*headers, *(["Idempotency-Replayed"] if idempotent else ())),
        "documented_query": query,
        "documented_server_only": server_only,
    }
    decorate = extend_schema(
        summary=summary,
        description=description or None,
        request=request,
        responses=dict(responses),
        examples=[*examples, *(_response_example(*item) for item in (response_examples or {}).items())],
        parameters=[*parameters, *([query] if query else []), *([IDEMPOTENCY_KEY] if idempotent else [])],
    )
    return partial(_describe, decorate, documented_parts)


def _describe(decorate: Callable[[Handler], Handler], parts: Mapping[str, Any], handler: Handler) -> Handler:
    described = decorate(handler)
    described.__dict__.update(parts)
    return described


class ProblemAutoSchema(AutoSchema):
    """drf-spectacular's schema of a view, with the additions of `ApiView` and `documented`."""

    @override
    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        own = getattr(getattr(self.view, self.method.lower()), "documented_headers", ())
        limited = _RATE if self.view.get_throttles() else ()
        for response in operation["responses"].values():
            response.setdefault("headers", {}).update(_headers("X-Request-Id", *own, *limited))
        self._component("Problem", ResolvedComponent.SCHEMA, PROBLEM_SCHEMA)
        by_status: dict[int, list[ErrorCode]] = {}
        for code in ErrorCode:
            if code in set(self._error_codes("requestBody" in operation)):
                by_status.setdefault(code.spec.status, []).append(code)
        operation["responses"] |= {str(status): problem_schema(codes) for status, codes in by_status.items()}
        return operation

    def _error_codes(self, has_body: bool) -> Iterator[ErrorCode]:
        handler = getattr(self.view, self.method.lower())
        query = getattr(handler, "documented_query", None)
        yield from (ErrorCode.MALFORMED, ErrorCode.NOT_ACCEPTABLE, ErrorCode.UNAVAILABLE)
        yield from getattr(handler, "documented_errors", ())
        if self.view.get_authenticators():
            yield from (ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN, ErrorCode.SCOPE_MISSING)
        if self.view.get_throttles():
            yield ErrorCode.RATE_LIMITED
        if "{" in self.path:
            yield ErrorCode.NOT_FOUND
        if self.method != "GET":
            yield from (ErrorCode.REQUEST_TIMEOUT, ErrorCode.TOO_LARGE)
        if has_body:
            yield from (ErrorCode.UNSUPPORTED_MEDIA_TYPE, ErrorCode.INVALID)
        if query is not None:
            yield ErrorCode.INVALID
            if issubclass(query, ListQuery):
                yield ErrorCode.CURSOR_INVALID

    def _component(self, name: str, kind: Any, schema: dict[str, Any]) -> None:
        component = ResolvedComponent(name=name, type=kind, object=name, schema=schema)  # type: ignore[no-untyped-call]
        self.registry.register_on_missing(component)

    @override
    def get_auth(self) -> list[dict[str, Any]]:
        """The security requirement contains the scope: OpenAPI 3.1 allows role names there for every scheme."""
        if not self.view.get_authenticators():
            return []
        for name, scheme in SECURITY_SCHEMES.items():
            self._component(name, ResolvedComponent.SECURITY_SCHEMA, scheme)
        scope = getattr(self.view, "required_scopes", {}).get(self.method)
        callers: list[dict[str, Any]] = [{"server_key": [str(scope)] if scope else []}]
        server_only = getattr(getattr(self.view, self.method.lower()), "documented_server_only", False)
        if getattr(self.view, "allow_user_token", False) and not server_only:
            callers.append({"user_token": []})
        authenticators = {type(authenticator).__name__ for authenticator in self.view.get_authenticators()}
        if "DeviceSecretAuthentication" in authenticators and self.method in {"PUT", "PATCH"}:
            callers.append({"device_secret": []})
        return callers

    @override
    def get_description(self) -> str:  # type: ignore[override]  # spectacular takes no arguments, DRF does
        """The description is given to `documented`, which has precedence. Docstrings are for readers of the code."""
        return ""

    @override
    def get_operation_id(self) -> str:
        words = [word for part in self._tokenize_path() for word in part.replace("-", "_").split(":")]
        variables = ["one"] if self.path.rstrip("/").endswith("}") else []
        return "_".join([*words, *variables, self.method.lower()])

    @override
    def get_tags(self) -> list[str]:
        return ["callbacks" if self.path.startswith("/callbacks/") else self._tokenize_path()[0].split(":")[0]]

    @override
    def _map_serializer_field(self, field: Any, direction: Direction, *args: Any, **kwargs: Any) -> Any:
        """A field of any type already allows null. A `oneOf` of both would refuse null, because both would match."""
        schema = super()._map_serializer_field(field, direction, *args, **kwargs)  # type: ignore[no-untyped-call]
        if schema.get("oneOf") == [{}, {"type": "null"}]:
            del schema["oneOf"]
        return schema

    @override
    def _map_basic_serializer(self, serializer: Any, direction: Direction) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "request" and isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        return schema


def problem_schema(codes: Sequence[ErrorCode]) -> dict[str, Any]:
    """The response object of one status, with only these codes and an example of each."""
    status = codes[0].spec.status
    headers = _headers("X-Request-Id")
    if status == 401:
        headers |= _headers("WWW-Authenticate")
    if status in {429, 503} or ErrorCode.IDEMPOTENCY_IN_PROGRESS in codes:
        headers |= _headers("Retry-After")
    if ErrorCode.RATE_LIMITED in codes:
        headers |= _headers(*_RATE)
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": [code.code for code in codes]}}}
    return {
        "description": " / ".join(code.spec.title for code in codes),
        "headers": headers,
        "content": {
            PROBLEM_TYPE: {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]},
                "examples": {code.code: _example(code) for code in codes},
            }
        },
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: HEADERS[name] for name in names}


def _response_example(status: int, value: Any) -> OpenApiExample:
    return OpenApiExample("Response", value=value, response_only=True, status_codes=[str(status)])


def page_of(*rows: Mapping[str, Any], following: str | None = None) -> dict[str, Any]:
    """An example of a list, in the format of `CursorPage`."""
    return {"data": list(rows), "next": following}


def _example(code: ErrorCode) -> dict[str, Any]:
    pointer = "/field" if code.spec.status in {400, 422} else None
    document = problem_document(ApiError(code, pointer=pointer))
    return {"summary": code.spec.remedy, "value": document | {"request_id": "0198c0de-7a11-7c0d-9a3e-3f1d2b4c5d6e"}}
