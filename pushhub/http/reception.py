"""Many threads receive request bodies and send responses. One thread handles requests, and it never waits: neither for
a client nor for another service.

A client may send its body slowly and read its response slowly. If the handling thread waited for clients, a few slow
clients would stop the service: as many as there are handling threads. More handling threads would only raise that
number. They also slow each other down, and each keeps a database connection.

Requests that have to wait are handled in another way: a few at once, and a limited number of others wait for a place.
So a flood of such requests leaves threads for the rest. Large bodies are uploads. Requests that may call a vendor or an
object store are handled by threads that may wait.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from io import BufferedReader, BytesIO, RawIOBase
from threading import BoundedSemaphore, Lock
from typing import Any

from django.db import connections
from typing_extensions import override

from pushhub.http.middleware import METHODS
from pushhub.http.patience import ResponseDelay, response_delay
from pushhub.http.problems import problem_response
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.metrics import Metric, count

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

AT_ONCE = 4  # per process and per way that waits: each has a thread and a database connection
MAY_WAIT = 28  # per process: each of them uses one of the 128 receiving threads
BUSY_RETRY_SECONDS = 2
INPUT = "pushhub.input"


class Way(Enum):
    """Which thread handles a request. NORMAL: the handling thread, which never waits. WAITING: one of a few threads
    that may wait. UPLOAD: the thread that receives the body, for a few uploads at once. PROBE: the receiving thread,
    for probes of the process's liveness."""

    NORMAL = "normal"
    WAITING = "waiting"
    UPLOAD = "upload"
    PROBE = "probe"


class Reception:
    """A WSGI application around another one. Bodies of up to `limit` bytes are read before `application` is called.
    Larger bodies are uploads, which `application` refuses or reads block by block. For all other requests `way` returns
    the way of a path."""

    def __init__(
        self, application: Application, *, limit: int, way: Callable[[str], Way] = lambda _: Way.NORMAL
    ) -> None:
        self._application = application
        self._limit = limit
        self._way = way
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="work")
        self._waiters = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="wait")
        self._uploads = BoundedSemaphore(AT_ONCE)
        self._let_in = {way: BoundedSemaphore(AT_ONCE + MAY_WAIT) for way in (Way.WAITING, Way.UPLOAD)}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        way = self._way(environ.get("PATH_INFO", "")) if self._received(environ) else Way.UPLOAD
        if way is Way.PROBE:
            return self._respond(environ, start_response)
        if way is Way.NORMAL:
            return self._respond_by(self._worker, environ, start_response)
        if not self._let_in[way].acquire(blocking=False):
            return _busy(environ, start_response)
        try:
            if way is Way.UPLOAD:
                return self._upload(environ, start_response)
            return self._respond_by(self._waiters, environ, start_response)
        finally:
            self._let_in[way].release()

    def _respond_by(
        self, threads: ThreadPoolExecutor, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Handles the request in one of `threads`. The delay of the response is spent in the receiving thread."""
        response, delay = threads.submit(self._handle, environ, start_response).result()
        delay.wait()
        return response

    def _handle(self, environ: Environ, start_response: StartResponse) -> tuple[Iterable[bytes], ResponseDelay]:
        with response_delay() as delay:
            return self._respond(environ, start_response), delay

    def _upload(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            with self._uploads:
                try:
                    return self._respond(environ, start_response)
                finally:
                    connections.close_all()
        finally:
            if INPUT in environ:
                environ[INPUT].shut()

    def _received(self, environ: Environ) -> bool:
        """Whether the whole body has been read. The part of a larger body that was read is put in front of the rest."""
        declared = environ.get("CONTENT_LENGTH") or ""
        length = int(declared) if declared.isdecimal() else self._limit + 1
        if not declared and not environ.get("wsgi.input_terminated"):
            length = 0
        known_as_large = declared and length > self._limit
        body = b"" if known_as_large else _read(environ["wsgi.input"], length)
        if not known_as_large and len(body) <= self._limit:
            environ["wsgi.input"] = BytesIO(body)
            return True
        environ[INPUT] = _Input(body, environ["wsgi.input"])
        environ["wsgi.input"] = BufferedReader(environ[INPUT])
        return False

    def _respond(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = self._application(environ, start_response)
        if getattr(response, "streaming", True):
            return _Streamed(response)
        try:
            return [b"".join(response)]
        finally:
            _close(response)


def _busy(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A 503. The body is not read, and nothing is stored."""
    detail = "Too many requests of this kind at the same time."
    error = ApiError(ErrorCode.UNAVAILABLE, detail=detail, retry_after=BUSY_RETRY_SECONDS)
    response = problem_response(error)
    method = environ["REQUEST_METHOD"]
    count(Metric.HTTP_REQUESTS, method=method if method in METHODS else "other", status=str(response.status_code))
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [response.content]


class _Input(RawIOBase):
    """The part of a body that was already read, then the rest of it. After `shut` it returns nothing.

    A thread may still be reading when the request has its response: a body that arrives too slowly is refused before it
    is complete. The server would wait for that read without releasing the interpreter lock: one client that sent
    nothing stopped the whole process. So `shut` waits, in the receiving thread, for more of the body or for the end of
    the connection.
    """

    def __init__(self, start: bytes, rest: Any) -> None:
        self._start = BytesIO(start)
        self._rest = rest
        self._reading = Lock()
        self._is_shut = False

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        with self._reading:
            block = b"" if self._is_shut else self._start.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def shut(self) -> None:
        with self._reading:
            self._is_shut = True


class _Streamed:
    """A response that the receiving thread sends. The database connections of that thread are closed at its end."""

    def __init__(self, response: Iterable[bytes]) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response)

    def close(self) -> None:
        _close(self._response)
        connections.close_all()


def _read(source: Any, length: int) -> bytes:
    """Up to `length` bytes; fewer if the sender closes the connection. Such a body is malformed, but no client is left
    to receive that error."""
    body = bytearray()
    try:
        while len(body) < length and (block := source.read(length - len(body))):
            body += block
    except OSError:
        pass
    return bytes(body)


def _close(response: Iterable[bytes]) -> None:
    if close := getattr(response, "close", None):
        close()
