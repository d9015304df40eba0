"""Liveness, readiness and metrics of the process: for probes and Prometheus, never for tenants."""

import hmac
import json
import os
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from pushhub.http.problems import problem_response
from pushhub.kernel.errors import ApiError, ErrorCode

RETRY_SECONDS = 2


class NotReady(Exception):
    """A part that the service needs is not ready."""


def livez(request: HttpRequest) -> HttpResponse:
    """200 while the process responds. It checks nothing else, so that a database outage causes no restart."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 if the database responds and all migrations are applied; otherwise a 503 that names the part.

    Without the cache the service works, but does not throttle. So the state of the cache is reported, and an outage of
    it does not take the process out of the traffic. In the same way, the status is `degraded` while the supervisor of
    `make run` restarts another process.
    """
    for name, check in (("database", database_check), ("migrations", migrations_check)):
        if not _passes(check):
            detail = f"Not ready: {name}."
            return problem_response(ApiError(ErrorCode.UNAVAILABLE, detail=detail, retry_after=RETRY_SECONDS))
    state: dict[str, Any] = {"status": "ok", "cache": "ok" if _passes(cache_check) else "away"}
    if degraded := supervisor_report():
        state |= {"status": "degraded", "degraded": degraded}
    return JsonResponse(state)


def supervisor_report() -> dict[str, str]:
    """The processes that crashed within the last minute, with what happened: what the supervisor (pushhub.embedded)
    wrote. Empty without a supervisor."""
    path = os.environ.get("PUSHHUB_SUPERVISOR_REPORT")
    try:
        report = json.loads(Path(path).read_text()) if path else {}
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def _passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception:  # drivers raise many kinds, and all of them mean the same here
        return False
    return True


def database_check() -> None:
    """Raises django.db.Error or NotReady."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT 1")
        if cursor.fetchone() != (1,):
            raise NotReady


@lru_cache(maxsize=1)
def migrations_check() -> None:
    """Raises django.db.Error or NotReady. The first success is remembered: the code of this process needs no later
    migration."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady


def cache_check() -> None:
    """Raises what the cache's client raises. It asks for the existence of a key: values of others are not read."""
    cache.has_key("readyz")


def metrics(request: HttpRequest) -> HttpResponse:
    """`metrics_response` of the web process. In production the token is required: behind a proxy on the same machine,
    every request comes from the loopback address, and not every proxy adds X-Forwarded-For."""
    return metrics_response(request, by_network=not settings.PUSHHUB_PRODUCTION)


def metrics_response(request: HttpRequest, *, by_network: bool) -> HttpResponse:
    """Prometheus text for callers that send METRICS_TOKEN as a bearer token. If no token is set, and with `by_network`,
    for peers in METRICS_NETWORKS. Other callers get a 404."""
    if not _may_read_metrics(request, by_network):
        return problem_response(ApiError(ErrorCode.NOT_FOUND))
    from pushhub.kernel.metrics import exposition

    body, content_type = exposition()
    return HttpResponse(body, content_type=content_type)


def _may_read_metrics(request: HttpRequest, by_network: bool) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.METRICS_TOKEN:
        return hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())
    if not by_network:
        return False
    try:
        # The peer of the socket, never X-Forwarded-For: behind a proxy a token is required.
        peer = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return "X-Forwarded-For" not in request.headers and any(peer in net for net in settings.METRICS_NETWORKS)


PATHS: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/livez": livez, "/readyz": readyz, "/metrics": metrics}
