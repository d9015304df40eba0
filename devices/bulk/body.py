"""The body of an upload, block by block, as the web server hands it on."""

from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest

from pushhub.errors import ApiError, ErrorCode

BLOCK_BYTES = 256 * 1024


def body_blocks(request: HttpRequest) -> Iterator[bytes]:
    """Raises ApiError TOO_LARGE, by its Content-Length unread; MALFORMED when less comes than was announced."""
    stream = request.META["wsgi.input"]
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise ApiError(ErrorCode.MALFORMED, detail="The Content-Length is not a number.") from None
    if announced > settings.PUSHHUB_IMPORT_MAX_BYTES:
        raise ApiError(ErrorCode.TOO_LARGE, detail=f"A file is at most {settings.PUSHHUB_IMPORT_MAX_BYTES} bytes.")
    if not announced and request.META.get("wsgi.input_terminated"):
        yield from iter(lambda: stream.read(BLOCK_BYTES), b"")
        return
    while announced:
        block = stream.read(min(announced, BLOCK_BYTES))
        if not block:
            raise ApiError(ErrorCode.MALFORMED, detail="The body ended early.")
        announced -= len(block)
        yield block
