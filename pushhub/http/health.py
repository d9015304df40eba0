"""Is the process alive, may it be sent traffic, what does it count: for probes and Prometheus, never for tenants."""

import hmac
from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from pushhub.http.problems import problem_response
from pushhub.kernel.errors import ApiError, ErrorCode

RETRY_SECONDS = 2

_migrated = False


def livez(request: HttpRequest) -> HttpResponse:
    """200 while the process answers; touches nothing else, so that a database outage restarts nobody."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 if the database answers and every migration is applied; else 503 naming the part.

    Without the cache everything is served, only not throttled: it is told of, and takes nobody out of the traffic.
    """
    for name, check in (("database", _database), ("migrations", _migrations)):
        if not _healthy(check):
            detail = f"Not ready: {name}."
            return problem_response(ApiError(ErrorCode.UNAVAILABLE, detail=detail, retry_after=RETRY_SECONDS))
    return JsonResponse({"status": "ok", "cache": "ok" if _healthy(_cache) else "away"})


def _healthy(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # whatever a driver raises, the answer is the same
        return False


def _database() -> bool:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _migrations() -> bool:
    """Remembered once true: this process's code needs no more than it needed then."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _cache() -> bool:
    cache.get("readyz")
    return True


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for whoever sends METRICS_TOKEN as bearer or comes from METRICS_NETWORKS; to others it is not
    there."""
    if not _may_read_metrics(request):
        return problem_response(ApiError(ErrorCode.NOT_FOUND))
    from pushhub.kernel.metrics import exposition

    body, content_type = exposition()
    return HttpResponse(body, content_type=content_type)


def _may_read_metrics(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.METRICS_TOKEN:
        return hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())
    try:
        # The peer of the socket, never X-Forwarded-For: behind a proxy a token is needed.
        peer = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return "X-Forwarded-For" not in request.headers and any(peer in net for net in settings.METRICS_NETWORKS)


PATHS: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/livez": livez, "/readyz": readyz, "/metrics": metrics}
