"""Middleware for every request: the request id and access line, the health addresses, the limit on bodies."""

import logging
import re
import time
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.core.paginator import InvalidPage
from django.http import HttpRequest, HttpResponse, QueryDict
from rest_framework.exceptions import APIException

from pushhub.http import health
from pushhub.http.problems import API_PREFIXES, api_error, page_not_found, problem_response
from pushhub.kernel import metrics
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.ids import uuid7
from pushhub.kernel.logging import request_id
from pushhub.kernel.metrics import Metric

Handler = Callable[[HttpRequest], HttpResponse]

SAFE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# Callers can send any method. Labels of metrics and log lines contain only these.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# The views of these paths read the body themselves, block by block, up to their own limit.
UPLOAD_PATHS = frozenset({"/v1/devices:import"})
# Requests without a credential. 100 receipts take less than 20 kB. Callbacks are limited by their views.
ANONYMOUS_LIMITS = {"/v1/receipts": 64 * 1024}

access_log = logging.getLogger("pushhub.access")


class RequestIdMiddleware:
    """Uses the caller's X-Request-Id if it consists of 1 to 64 safe characters, otherwise creates one. The response has
    the id, and one line is logged.

    The line contains the pattern of the route instead of the address: paths contain the ids of people, and queries
    contain capabilities.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        current = given if SAFE_ID.fullmatch(given) else str(uuid7())
        token = request_id.set(current)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            response["X-Request-Id"] = current
            _access(request, response, time.perf_counter() - started)
            return response
        finally:
            request_id.reset(token)


def _access(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    if request.path_info in health.PATHS:
        return
    match = request.resolver_match
    method = request.method if request.method in METHODS else "other"
    metrics.count(Metric.HTTP_REQUESTS, method=method, status=str(response.status_code))
    metrics.observe(Metric.HTTP_SECONDS, seconds, method=method)
    access_log.info(
        "%s %s %d",
        method,
        match.route if match else "-",
        response.status_code,
        extra={"ms": round(seconds * 1000, 1), "status": response.status_code},
    )


class HealthMiddleware:
    """Responds to /livez, /readyz and /metrics before hosts, sessions and throttles are checked: probes use the IP
    address as host."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = health.PATHS.get(request.path_info)
        return view(request) if view and request.method in {"GET", "HEAD"} else self.get_response(request)


class BodyLimitMiddleware:
    """Refuses API bodies larger than `body_limit` by their Content-Length. The bridge in front of Django sets it for
    chunked bodies, and reads no body above the limit of all.

    A chunked body without content is refused as well: a PUT would delete what it replaces.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(API_PREFIXES) and request.path_info not in UPLOAD_PATHS:
            limit = body_limit(request.path_info)
            length = _content_length(request)
            if length > limit:
                return problem_response(
                    ApiError(ErrorCode.TOO_LARGE, detail=f"The body may have at most {limit // 1024} KiB.")
                )
            if length == 0 and request.content_type and "Transfer-Encoding" in request.headers:
                return problem_response(ApiError(ErrorCode.MALFORMED, detail="The chunked body has no content."))
        return self.get_response(request)


def body_limit(path: str) -> int:
    """In bytes, for an API path that is not in UPLOAD_PATHS."""
    return ANONYMOUS_LIMITS.get(path, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


class ConsoleQueryMiddleware:
    """Refuses two kinds of queries that Django's admin does not check: a NUL character, which PostgreSQL stores in no
    text, and a page after the last page of a search. The search box of lists, `q`, has its own rule for NUL."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/") and _has_nul(request.GET):
            raise BadRequest("PostgreSQL stores no NUL in a text.")
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The global search passes any page number to its paginator."""
        return page_not_found(request, exception) if isinstance(exception, InvalidPage) else None


class ApiErrorMiddleware:
    """Turns errors of services that leave a view into problem documents, as ApiView does: views that are plain Django
    functions, such as those of the demo page, have no handler of their own."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """None for other exceptions: Django responds to them."""
        if not isinstance(exception, ApiError | APIException):
            return None
        error = api_error(exception)
        return problem_response(error) if error else None


def _has_nul(query: QueryDict) -> bool:
    return any("\0" in value for name, values in query.lists() if name != "q" for value in values)


def _content_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
