"""Many threads receive bodies and send answers; one works. It never waits: not for a client, nor for anybody else.

A body comes as slowly as its sender likes, an answer leaves as slowly as its reader likes. If the thread that works
waited for them, as many slow clients as there are such threads would stop everybody. More working threads would only
raise that number: they get in each other's way, and each keeps a database connection.

What has to wait goes another way, a few at once, and a few more may wait for that: a flood of it leaves threads for
the rest. Large bodies are uploads; what may ask a vendor or an object store is for threads that are allowed to wait.
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
from pushhub.http.patience import Hold, answer_held
from pushhub.http.problems import problem_response
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.metrics import Metric, count

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

AT_ONCE = 4  # per process, of each way that waits: each has a thread and a database connection
MAY_WAIT = 28  # per process, of 128 threads: each keeps one
BUSY_RETRY_SECONDS = 2
INPUT = "pushhub.input"


class Way(Enum):
    """Who answers a request: the one thread that works, or one of a few that may wait, or the one that receives it, for
    a few uploads at once and whenever somebody asks whether the process lives."""

    QUICK = "quick"
    WAITING = "waiting"
    UPLOAD = "upload"
    PROBE = "probe"


class Reception:
    """WSGI around WSGI. Bodies of up to `limit` bytes are here before `application` sees the request; larger ones,
    which are refused or read block by block, are uploads. For the others, `way` says it of a path."""

    def __init__(
        self, application: Application, *, limit: int, way: Callable[[str], Way] = lambda _: Way.QUICK
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
            return self._answer(environ, start_response)
        if way is Way.QUICK:
            return self._answer_by(self._worker, environ, start_response)
        if not self._let_in[way].acquire(blocking=False):
            return _busy(environ, start_response)
        try:
            if way is Way.UPLOAD:
                return self._upload(environ, start_response)
            return self._answer_by(self._waiters, environ, start_response)
        finally:
            self._let_in[way].release()

    def _answer_by(
        self, threads: ThreadPoolExecutor, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """By one of them. What the answer must not leave before is waited for here."""
        answer, hold = threads.submit(self._work, environ, start_response).result()
        hold.wait()
        return answer

    def _work(self, environ: Environ, start_response: StartResponse) -> tuple[Iterable[bytes], Hold]:
        with answer_held() as hold:
            return self._answer(environ, start_response), hold

    def _upload(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            with self._uploads:
                try:
                    return self._answer(environ, start_response)
                finally:
                    connections.close_all()
        finally:
            if INPUT in environ:
                environ[INPUT].shut()

    def _received(self, environ: Environ) -> bool:
        """Whether the whole body is here now. What was read of a larger one is put back in front of the rest."""
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

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._application(environ, start_response)
        if getattr(answer, "streaming", True):
            return _Streamed(answer)
        try:
            return [b"".join(answer)]
        finally:
            _close(answer)


def _busy(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The body is not read; nothing was stored."""
    error = ApiError(ErrorCode.UNAVAILABLE, detail="Too many of these at once.", retry_after=BUSY_RETRY_SECONDS)
    response = problem_response(error)
    method = environ["REQUEST_METHOD"]
    count(Metric.HTTP_REQUESTS, method=method if method in METHODS else "other", status=str(response.status_code))
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [response.content]


class _Input(RawIOBase):
    """What was read of a body already, then the rest of it; nothing any more once it is shut.

    Somebody may still be reading when the request is answered: a body that comes too slowly is refused in the middle.
    The server would wait for that read, and let no other thread have the interpreter meanwhile: one client that sends
    nothing stopped everybody. So `shut` waits, in the receiving thread, for more of the body or for the client to go.
    """

    def __init__(self, begun: bytes, rest: Any) -> None:
        self._begun = BytesIO(begun)
        self._rest = rest
        self._reading = Lock()
        self._is_shut = False

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        with self._reading:
            block = b"" if self._is_shut else self._begun.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def shut(self) -> None:
        with self._reading:
            self._is_shut = True


class _Streamed:
    """Leaves by the receiving thread, whose database connections end with it."""

    def __init__(self, answer: Iterable[bytes]) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        _close(self._answer)
        connections.close_all()


def _read(source: Any, length: int) -> bytes:
    """Up to `length` bytes; fewer if the sender goes away: then the body is malformed, and there is nobody to tell."""
    body = bytearray()
    try:
        while len(body) < length and (block := source.read(length - len(body))):
            body += block
    except OSError:
        pass
    return bytes(body)


def _close(answer: Iterable[bytes]) -> None:
    if close := getattr(answer, "close", None):
        close()
