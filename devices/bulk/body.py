"""Read the body of an upload block by block, within limits of size and time."""

import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from pushhub.kernel.errors import ApiError, ErrorCode

BLOCK_BYTES = 64 * 1024
STALL_SECONDS = 30.0  # for one block


def body_blocks(request: HttpRequest) -> Iterator[bytes]:
    """Raises ApiError TOO_LARGE, by the Content-Length before anything is read; MALFORMED when less arrives than
    announced, or too slowly.

    The server's own `read` has no time limit, so it waits in a separate thread, which ends with the connection.
    """
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared and not declared.isdecimal():
        raise _malformed("The Content-Length is not a number.")
    if declared and int(declared) > settings.PUSHHUB_IMPORT_MAX_BYTES:
        raise _too_large()
    if not declared and not request.META.get("wsgi.input_terminated"):
        return
    deadline = time.monotonic() + settings.PUSHHUB_UPLOAD_SECONDS
    pump = _Pump(request.META["wsgi.input"], int(declared) if declared else None)
    size = 0
    try:
        while block := pump.take(min(STALL_SECONDS, deadline - time.monotonic())):
            size += len(block)
            if size > settings.PUSHHUB_IMPORT_MAX_BYTES:  # also of compressed bytes, which may unpack to nothing
                raise _too_large()
            yield block
    finally:
        pump.stop()
    if pump.missing:
        raise _malformed("The body ended early.")


class _Pump:
    def __init__(self, source: Any, length: int | None) -> None:
        self.missing = length
        self._source = source
        self._blocks: Queue[bytes] = Queue(maxsize=4)
        self._stopped = Event()
        Thread(target=self._run, name="upload", daemon=True).start()

    def take(self, seconds: float) -> bytes:
        """The next block; empty at the end. Raises ApiError."""
        try:
            return self._blocks.get(timeout=max(0.0, seconds))
        except Empty:
            raise _malformed(f"The body arrives too slowly: {BLOCK_BYTES} bytes took too long.") from None

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        block = b"begin"
        while block and not self._stopped.is_set():
            block = self._read()
            self._put(block)

    def _read(self) -> bytes:
        wanted = BLOCK_BYTES if self.missing is None else min(self.missing, BLOCK_BYTES)
        try:
            block = bytes(self._source.read(wanted)) if wanted else b""
        except Exception:  # servers raise different exceptions when the client disconnects: the body ends here
            return b""
        if self.missing is not None:
            self.missing -= len(block)
        return block

    def _put(self, block: bytes) -> None:
        while not self._stopped.is_set():
            with suppress(Full):
                self._blocks.put(block, timeout=1)
                return


def _too_large() -> ApiError:
    return ApiError(ErrorCode.TOO_LARGE, detail=f"A file has at most {settings.PUSHHUB_IMPORT_MAX_BYTES} bytes.")


def _malformed(detail: str) -> ApiError:
    return ApiError(ErrorCode.MALFORMED, detail=detail)
