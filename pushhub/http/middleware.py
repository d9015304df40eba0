"""What surrounds every request: its id and access line, the health addresses, the limit of bodies."""

import logging
import re
import time
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.core.paginator import InvalidPage
from django.http import HttpRequest, HttpResponse, QueryDict

from pushhub.http import health
from pushhub.http.problems import API_PREFIXES, page_not_found, problem_response
from pushhub.kernel import metrics
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.ids import uuid7
from pushhub.kernel.logging import request_id
from pushhub.kernel.metrics import Metric

Handler = Callable[[HttpRequest], HttpResponse]

SAFE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# A caller may invent methods; labels and log lines may not grow by them.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Their views read the body themselves, block by block, up to a limit of their own.
UPLOAD_PATHS = frozenset({"/v1/devices:import"})

access_log = logging.getLogger("pushhub.access")


class RequestIdMiddleware:
    """Takes the caller's X-Request-Id if it is 1 to 64 safe characters, else makes one; answers it and logs one line.

    The line holds the route's pattern instead of the address: ids of people stand in paths, capabilities in queries.
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
    """Answers /livez, /readyz and /metrics before hosts, sessions and throttles are looked at: probes come by
    address."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = health.PATHS.get(request.path_info)
        return view(request) if view and request.method in {"GET", "HEAD"} else self.get_response(request)


class BodyLimitMiddleware:
    """Refuses bodies of the API over DATA_UPLOAD_MAX_MEMORY_SIZE by their Content-Length, unread; reads at most that
    much of a chunked body, which Django by itself would take for empty.

    A chunked body that breaks off looks to us as if it had ended there. JSON that breaks off is malformed, unless
    nothing of it came: to take that for an empty body would empty what a PUT replaces."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(API_PREFIXES) and request.path_info not in UPLOAD_PATHS:
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            chunked = _chunked_read(request, limit)
            if max(_content_length(request), chunked or 0) > limit:
                return problem_response(ApiError(ErrorCode.TOO_LARGE, detail=f"The body is larger than {limit} bytes."))
            if chunked == 0 and request.content_type and "Transfer-Encoding" in request.headers:
                return problem_response(ApiError(ErrorCode.MALFORMED, detail="The chunked body has no content."))
        return self.get_response(request)


class ConsoleQueryMiddleware:
    """Refuses what Django's own pages do not ask about: NUL in a query, which PostgreSQL takes in no text (the
    search box of lists, `q`, has a rule of its own), and pages beyond a search's last."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/") and _has_nul(request.GET):
            raise BadRequest("PostgreSQL takes no NUL in a text.")
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The search over everything asks its paginator for any page that is named."""
        return page_not_found(request, exception) if isinstance(exception, InvalidPage) else None


def _has_nul(query: QueryDict) -> bool:
    return any("\0" in value for name, values in query.lists() if name != "q" for value in values)


def _content_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _chunked_read(request: HttpRequest, limit: int) -> int | None:
    """How many bytes it has, at most one over `limit`; None if its length was declared. Only servers that end the input
    themselves pass chunked bodies on."""
    if request.META.get("CONTENT_LENGTH") or not request.META.get("wsgi.input_terminated"):
        return None
    body = bytearray()
    while len(body) <= limit and (chunk := request.META["wsgi.input"].read(limit + 1 - len(body))):
        body += chunk
    request._body = bytes(body)
    # DRF takes a body without a length for none, and one that was not read from the socket yet for unread.
    request.META["CONTENT_LENGTH"] = str(len(body))
    request._read_started = True  # type: ignore[attr-defined]
    return len(body)
