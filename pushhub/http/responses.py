"""What a thread does with a request: it runs the application and returns the response as the event loop sends it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import close_old_connections, connections

from pushhub.http.body import BLOCK_BYTES
from pushhub.http.middleware import METHODS
from pushhub.http.problems import problem_response
from pushhub.http.response_delay import response_delay
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.ids import uuid7
from pushhub.kernel.logging import request_id
from pushhub.kernel.metrics import Metric, count

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

BUSY_RETRY_SECONDS = 2


@dataclass(slots=True)
class ReadyResponse:
    """A response as a thread returns it, to be sent after `seconds`. `blocks`, if any, produce the body while it is
    sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    blocks: Any = None
    seconds: float = 0.0


def response_make(application: Application, environ: Environ, streams: bool) -> ReadyResponse:
    """Django checks the database connection of the thread at the start and at the end of a request. A thread that
    `streams` keeps none."""
    head: list[Any] = []
    try:
        with response_delay() as delay:
            response = application(environ, lambda *arguments: head.extend(arguments))
        streamed = getattr(response, "streaming", True)
        if streamed and environ["REQUEST_METHOD"] != "HEAD":
            return _ready(head, blocks=response, seconds=delay.seconds)
        try:
            return _ready(head, body=b"" if streamed else b"".join(response), seconds=delay.seconds)
        finally:
            response_close(response)
    finally:
        if streams:
            connections.close_all()


def next_block(blocks: Iterator[bytes]) -> bytes:
    """At least BLOCK_BYTES, or the rest; empty at the end."""
    parts: list[bytes] = []
    size = 0
    try:
        while size < BLOCK_BYTES and (part := next(blocks, None)) is not None:
            parts.append(part)
            size += len(part)
    finally:
        close_old_connections()
    return b"".join(parts)


def response_close(response: Any) -> None:
    if close := getattr(response, "close", None):
        close()


def _ready(head: list[Any], **more: Any) -> ReadyResponse:
    status, headers = head[:2]
    return ReadyResponse(int(status[:3]), [(_name(name), value.encode("latin-1")) for name, value in headers], **more)


@lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    return name.lower().encode("latin-1")


def busy(environ: Environ) -> ReadyResponse:
    detail = "Too many requests of this kind at the same time."
    return refusal(environ, ApiError(ErrorCode.UNAVAILABLE, detail=detail, retry_after=BUSY_RETRY_SECONDS))


def refusal(environ: Environ, error: ApiError) -> ReadyResponse:
    """Of a request that no thread gets. Its body may be unread, so the connection ends."""
    token = request_id.set(str(uuid7()))
    try:
        response = problem_response(error)
        response["X-Request-Id"] = request_id.get()
        response["Connection"] = "close"
    finally:
        request_id.reset(token)
    method = environ["REQUEST_METHOD"]
    count(Metric.HTTP_REQUESTS, method=method if method in METHODS else "other", status=str(response.status_code))
    return _ready([str(response.status_code), response.items()], body=response.content)
