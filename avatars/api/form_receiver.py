"""The embedded store's S3 POST: a multipart form whose signature is the only credential, read as it arrives.

The fields come first, then the file, as S3 requires. Never more than the policy's bytes reach the disk.
"""

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import (
    RAW,
    ChunkIter,
    LazyStream,
    MultiPartParserError,
    Parser,
)
from django.utils.http import parse_header_parameters

from avatars.keys import upload_key_read
from avatars.storage.base import UPLOADS, ObjectMissing
from avatars.storage.form_policy import Admitted, FormRefused, form_admit
from avatars.storage.local import LocalStorage

MAX_FIELDS = 20
MAX_FIELD_BYTES = 16 * 1024
MAX_FORM_BYTES = 64 * 1024  # without the file
CHUNK = 64 * 1024
# The signature must be in the first chunk, which has arrived before a thread reads it (pushhub.http.body). So a form
# without a valid signature never makes a thread wait. S3 allows 20 KB of fields.
UNSIGNED_BYTES = CHUNK
# Of all uploads of this process together: as fast as two cores moderate pictures, too slow to delay other requests.
BYTES_PER_SECOND = 8 * 1024 * 1024
INCOMPLETE = FormRefused(400, "IncompleteBody", "The body is shorter than its Content-Length.")
TOO_SLOW = FormRefused(400, "RequestTimeout", "The body arrived too slowly.")
FIELDS_TOO_LARGE = FormRefused(400, "MaxPostPreDataLengthExceeded", "The fields before the file are too large.")


class Pace:
    """Limits all its callers together to `rate` bytes a second: each `take` waits until its bytes are due."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._due = 0.0

    def take(self, count: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due, now) + count / self._rate
            wait = self._due - now
        time.sleep(wait)


_pace = Pace(BYTES_PER_SECOND)


@dataclass(frozen=True, slots=True)
class Received:
    key: str
    size: int
    etag: str


def form_receive(request: HttpRequest, storage: LocalStorage) -> Received:
    """Store the form's file. Raises FormRefused, StorageRetry."""
    boundary = _boundary(request)
    length = _length(request)
    body = _Counted(request, length)
    fields: dict[str, str] = {}
    for name, stream in _parts(body, boundary):
        if name.lower() == "file":
            admitted = form_admit(fields, bucket=storage.bucket, now=datetime.now(UTC))
            if length > admitted.max_bytes + MAX_FORM_BYTES:
                raise FormRefused(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
            body.signed = True
            return _file_store(storage, admitted, stream, body)
        _field_add(fields, name, stream)
    raise FormRefused(400, "InvalidArgument", "POST requires exactly one file upload per request.")


def _parts(body: "_Counted", boundary: bytes) -> Iterator[tuple[str, Any]]:
    """(name, stream) of each part, by Django's incremental parser. Bytes before the first boundary are not a part."""
    try:
        for kind, meta, stream in Parser(LazyStream(ChunkIter(cast(Any, body), CHUNK)), boundary):
            if kind != RAW:
                name = cast(dict[str, bytes], meta["content-disposition"][1]).get("name", b"")
                yield name.decode("utf-8", "replace"), stream
    except MultiPartParserError:
        raise FormRefused(400, "MalformedPOSTRequest", "The body is not well-formed multipart/form-data.") from None


def _file_store(storage: LocalStorage, admitted: Admitted, stream: Any, body: "_Counted") -> Received:
    if upload_key_read(admitted.key) is None:
        raise FormRefused(403, "AccessDenied", f"Uploads must go to {UPLOADS}/.")
    digest, size = hashlib.sha256(), 0
    try:
        with storage.writing(admitted.key) as file:
            for chunk in stream:
                size += len(chunk)
                if size > admitted.max_bytes:
                    raise FormRefused(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
                digest.update(chunk)
                file.write(chunk)
            if size < admitted.min_bytes:
                raise FormRefused(
                    400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size."
                )
            if not body.whole():
                raise INCOMPLETE
    except ObjectMissing:
        raise FormRefused(403, "AccessDenied", "Not a key of this store.") from None
    return Received(admitted.key, size, digest.hexdigest())


def _field_add(fields: dict[str, str], name: str, stream: Any) -> None:
    value = stream.read(MAX_FIELD_BYTES + 1)
    if not name or name.lower() in {known.lower() for known in fields}:
        raise FormRefused(400, "InvalidArgument", "Every field must have a different name.")
    if len(value) > MAX_FIELD_BYTES or len(fields) >= MAX_FIELDS:
        raise FIELDS_TOO_LARGE
    fields[name] = value.decode("utf-8", "replace")


def _boundary(request: HttpRequest) -> bytes:
    kind, parameters = parse_header_parameters(request.META.get("CONTENT_TYPE", "")[:1000])
    boundary = parameters.get("boundary", "")
    if kind != "multipart/form-data" or not 0 < len(boundary) <= 200 or not boundary.isascii():
        raise FormRefused(412, "PreconditionFailed", "Bucket POST must be of the enclosure-type multipart/form-data.")
    return boundary.encode("ascii")


def _length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise FormRefused(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    return int(text)


class _Counted:
    """The body, and whether it is complete: a body that a client breaks off looks like one whose form has ended."""

    def __init__(self, stream: HttpRequest, length: int) -> None:
        self._stream = stream
        self._left = length
        self._unsigned_end = length - UNSIGNED_BYTES
        self.signed = False

    def read(self, size: int) -> bytes:
        if not self.signed and 0 < self._left <= self._unsigned_end:
            raise FIELDS_TOO_LARGE
        try:
            data = bytes(self._stream.read(min(size, self._left))) if self._left else b""
        except UnreadablePostError as error:
            raise (TOO_SLOW if isinstance(error.__cause__, TimeoutError) else INCOMPLETE) from None
        self._left -= len(data)
        _pace.take(len(data))
        return data

    def whole(self) -> bool:
        """Reads what follows the file; the Content-Length bounds it."""
        while self._left and self.read(CHUNK):
            continue
        return self._left == 0
