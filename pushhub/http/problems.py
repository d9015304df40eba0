"""All errors in one format, RFC 9457 `application/problem+json`: those of views, of middleware and of Django itself."""

import logging
import math
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from pushhub.http.parsing import pointer_escape
from pushhub.http.serializers import WHOLE_OBJECT
from pushhub.kernel.errors import MAX_ERRORS, ApiError, ErrorCode, FieldError
from pushhub.kernel.logging import request_id

PROBLEM_TYPE = "application/problem+json"
DATABASE_RETRY_SECONDS = 5
MAX_TEXT = 500  # characters of a detail or pointer
API_PREFIXES = ("/v1/", "/callbacks/")

log = logging.getLogger(__name__)

_BY_CLASS: tuple[tuple[type[Exception], ErrorCode], ...] = (
    (exceptions.ParseError, ErrorCode.MALFORMED),
    (exceptions.NotAuthenticated, ErrorCode.UNAUTHENTICATED),
    (exceptions.AuthenticationFailed, ErrorCode.UNAUTHENTICATED),
    (exceptions.PermissionDenied, ErrorCode.FORBIDDEN),
    (exceptions.NotFound, ErrorCode.NOT_FOUND),
    (exceptions.MethodNotAllowed, ErrorCode.METHOD_NOT_ALLOWED),
    (exceptions.NotAcceptable, ErrorCode.NOT_ACCEPTABLE),
    (exceptions.UnsupportedMediaType, ErrorCode.UNSUPPORTED_MEDIA_TYPE),
    (exceptions.Throttled, ErrorCode.RATE_LIMITED),
)


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: the problem document of `exc`, or None for an internal error (`server_error` then
    responds with 500)."""
    error = api_error(exc)
    if error is None:
        return None
    headers = problem_headers(error)
    if error.code is ErrorCode.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return Response(problem_document(error), status=error.code.spec.status, headers=headers, content_type=PROBLEM_TYPE)


def api_error(exc: BaseException) -> ApiError | None:
    """The error that the caller gets for `exc`; None if `exc` is neither an error of the caller nor an outage."""
    match exc:
        case ApiError():
            return exc
        case exceptions.ValidationError():
            errors = list(field_errors(exc.detail))
            return ApiError(ErrorCode.INVALID, detail=errors[0].detail, errors=errors)
        case exceptions.APIException():
            return _drf_error(exc)
        case Http404():
            return ApiError(ErrorCode.NOT_FOUND)
        case PermissionDenied():
            return ApiError(ErrorCode.FORBIDDEN)
        case RequestDataTooBig():
            return ApiError(ErrorCode.TOO_LARGE)
        case SuspiciousOperation() | BadRequest():
            return ApiError(ErrorCode.MALFORMED)
        case OperationalError() | InterfaceError():
            log.error("The database is unavailable or refused the statement", exc_info=exc)
            return ApiError(ErrorCode.UNAVAILABLE, retry_after=DATABASE_RETRY_SECONDS)
    return None


def _drf_error(exc: exceptions.APIException) -> ApiError | None:
    for kind, code in _BY_CLASS:
        if isinstance(exc, kind):
            return ApiError(code, detail=str(exc.detail), retry_after=getattr(exc, "wait", None))
    return None


def field_errors(detail: Any, pointer: str = "") -> Iterator[FieldError]:
    """DRF's nested error details with JSON Pointers, depth first. A top-level name that starts with `?` is a query
    parameter."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from field_errors(inner, _below(pointer, str(name)))
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            # A list of messages belongs to one field. A list of dictionaries has one entry for each element.
            nested = isinstance(inner, dict | list)
            yield from field_errors(inner, f"{pointer}/{index}" if nested else pointer)
    else:
        yield FieldError(pointer, str(detail))


def _below(pointer: str, name: str) -> str:
    if name == WHOLE_OBJECT:
        return pointer
    return name if name.startswith("?") and not pointer else f"{pointer}/{pointer_escape(name)}"


def problem_document(error: ApiError) -> dict[str, Any]:
    """`{type, title, status, code, detail, errors: [{pointer, detail}], request_id}`, and `errors_omitted` if there are
    more than MAX_ERRORS. Texts are cut, because some contain what the caller sent."""
    spec = error.code.spec
    document = {
        "type": f"/docs/errors#{error.code.code}",
        "title": spec.title,
        "status": spec.status,
        "code": error.code.code,
        "detail": _cut(error.detail),
        "errors": [
            {"pointer": _cut(field.pointer), "detail": _cut(field.detail)} for field in error.errors[:MAX_ERRORS]
        ],
        "request_id": request_id.get(),
    }
    if len(error.errors) > MAX_ERRORS:
        document["errors_omitted"] = len(error.errors) - MAX_ERRORS
    return document


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def problem_headers(error: ApiError) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if error.code.spec.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="pushhub"'
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return headers


def problem_response(error: ApiError) -> HttpResponse:
    """The problem document as a response without DRF, for middleware and Django's error handlers."""
    return JsonResponse(
        problem_document(error),
        status=error.code.spec.status,
        headers=problem_headers(error),
        content_type=PROBLEM_TYPE,
    )


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API_PREFIXES)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return problem_response(api_error(exception) or ApiError(ErrorCode.MALFORMED))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.permission_denied(request, exception)
    return problem_response(ApiError(ErrorCode.FORBIDDEN))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return problem_response(ApiError(ErrorCode.NOT_FOUND, detail="This address does not exist."))


def server_error(request: HttpRequest) -> HttpResponse:
    if not _is_api(request):
        return defaults.server_error(request)
    return problem_response(ApiError(ErrorCode.INTERNAL))
