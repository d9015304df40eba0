"""The body of an import, block by block, within limits of size and time."""

import time
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest

from pushhub.kernel.errors import ApiError, ErrorCode

BLOCK_BYTES = 64 * 1024


def body_blocks(request: HttpRequest) -> Iterator[bytes]:
    """Raises ApiError TOO_LARGE, if possible by the Content-Length before reading; MALFORMED if the body is shorter
    than that; REQUEST_TIMEOUT if it arrives too slowly: the input limits the time for a block (pushhub.http.body)."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared and not declared.isdecimal():
        raise _malformed("The Content-Length is not a number.")
    if declared and int(declared) > settings.PUSHHUB_IMPORT_MAX_BYTES:
        raise _too_large()
    if not declared and not request.META.get("wsgi.input_terminated"):
        return
    deadline = time.monotonic() + settings.PUSHHUB_UPLOAD_SECONDS
    missing = int(declared) if declared else settings.PUSHHUB_IMPORT_MAX_BYTES + 1
    while missing and (block := _read(request, min(missing, BLOCK_BYTES))):
        missing -= len(block)
        if not declared and missing <= 0:  # of packed bytes, too: they may unpack to nothing
            raise _too_large()
        if time.monotonic() > deadline:
            raise ApiError(ErrorCode.REQUEST_TIMEOUT)
        yield block
    if declared and missing:
        raise _malformed("The body ended early.")


def _read(request: HttpRequest, size: int) -> bytes:
    try:
        return bytes(request.META["wsgi.input"].read(size))
    except TimeoutError:
        raise ApiError(ErrorCode.REQUEST_TIMEOUT) from None
    except OSError:  # the client has closed the connection
        return b""


def _too_large() -> ApiError:
    return ApiError(ErrorCode.TOO_LARGE, detail=f"A file is at most {settings.PUSHHUB_IMPORT_MAX_BYTES} bytes.")


def _malformed(detail: str) -> ApiError:
    return ApiError(ErrorCode.MALFORMED, detail=detail)
