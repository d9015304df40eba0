"""/metrics of a worker, for installations where no web process reports the worker's metrics, such as one container for
each process."""

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

_started = 0.0  # one value is enough: a process runs one task at a time


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout: ClassVar[float] = 10.0

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: Prometheus scrapes every few seconds."""


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A WSGI application with one path, `/metrics`, on a listener of its own, which no proxy uses. So without a token
    the peers in METRICS_NETWORKS may read it, in production too."""
    request = WSGIRequest(environ)
    known = request.path_info == "/metrics"
    allowed = health.metrics_response(request, by_network=True) if known else None
    response = allowed or problem_response(ApiError(ErrorCode.NOT_FOUND))
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [response.content]


@worker_ready.connect
def _serve(**_: object) -> None:
    """Runs in the parent process after the fork, and reads the numbers of its children."""
    if settings.METRICS_LISTEN:
        host, port = settings.METRICS_LISTEN.rsplit(":", 1)
        server = make_server(host, int(port), application, server_class=_Server, handler_class=_Handler)
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()


@task_prerun.connect
def _begin(**_: object) -> None:
    global _started
    _started = time.perf_counter()


@task_postrun.connect
def _end(task: Any, state: str | None = None, **_: object) -> None:
    queue = (task.request.delivery_info or {}).get("routing_key")
    observe(
        Metric.TASK_SECONDS,
        time.perf_counter() - _started,
        queue=queue if queue in QUEUES else "other",
        outcome="success" if state == "SUCCESS" else "failure",
    )
