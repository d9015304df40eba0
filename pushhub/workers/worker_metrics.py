"""/metrics of a worker, where there is no web process beside it that speaks for all: one container each, say."""

import time
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from celery.signals import task_postrun, task_prerun, worker_ready
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from typing_extensions import override

from pushhub.http import health
from pushhub.http.problems import problem_response
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.metrics import Metric, observe
from pushhub.workers.brokers import QUEUES

_began = 0.0  # a process runs one task at a time


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout: ClassVar[float] = 10.0

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is no news."""


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """WSGI: `/metrics`, for the same people as on the web, and nothing else."""
    request = WSGIRequest(environ)
    known = request.path_info == "/metrics"
    response = health.metrics(request) if known else problem_response(ApiError(ErrorCode.NOT_FOUND))
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [response.content]


@worker_ready.connect
def _serve(**_: object) -> None:
    """In the parent, after the fork: it reads what its children count."""
    if settings.METRICS_LISTEN:
        host, port = settings.METRICS_LISTEN.rsplit(":", 1)
        server = make_server(host, int(port), application, server_class=_Server, handler_class=_Handler)
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()


@task_prerun.connect
def _begin(**_: object) -> None:
    global _began
    _began = time.perf_counter()


@task_postrun.connect
def _end(task: Any, state: str | None = None, **_: object) -> None:
    queue = (task.request.delivery_info or {}).get("routing_key")
    observe(
        Metric.TASK_SECONDS,
        time.perf_counter() - _began,
        queue=queue if queue in QUEUES else "other",
        outcome="success" if state == "SUCCESS" else "failure",
    )
