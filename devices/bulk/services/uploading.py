"""Store an import's file as it arrives, in sealed chunks, so that only one chunk at a time is in memory.

Each chunk commits separately. The job is not shown and not run before `import_accept` has queued it.
"""

import hashlib
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain

from django.conf import settings
from django.utils import timezone

from devices.bulk import sql
from devices.bulk.formats import csv_columns
from devices.bulk.models import Job, JobState
from devices.bulk.records import MAX_RECORD, Record, RecordSplitter
from devices.bulk.sealing import chunk_seal
from devices.bulk.services.jobs import job_capacity_require, jobs_wake
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller
from tenants.models import Tenant

CHUNK_BYTES = 1024 * 1024  # about eight batches; storing one delays all other commits by 10 ms
INFLATE_BYTES = 256 * 1024
MAX_LINES = 5_000_000  # a file of 256 MiB with more has lines too short for a device
UPLOADS_PER_TENANT = 2  # at the same time; a web process has only a few threads for imports
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """`body_hash`: SHA-256 of the file, for the Idempotency-Key."""

    job: Job
    body_hash: bytes = field(repr=False)


def import_receive(*, tenant: Tenant, caller: Caller, format: str, app: str, blocks: Iterator[bytes]) -> ReceivedFile:
    """Store the whole file. Not in a transaction: each chunk commits. Raises ApiError TOO_LARGE, MALFORMED, INVALID,
    RATE_LIMITED."""
    job_capacity_require(tenant=tenant)
    _upload_capacity_require(tenant)
    job = Job.objects.create(
        tenant=tenant,
        caller=caller.label,
        kind=Job.Kind.IMPORT,
        format=format,
        options={"app": app} if app else {},
        state=JobState.UPLOADING,
    )
    try:
        file = _File(job, deadline=time.monotonic() + settings.PUSHHUB_UPLOAD_SECONDS)
        for block in _inflated(blocks):
            file.take(block)
        file.end()
    except BaseException:
        upload_discard(tenant=tenant, received=ReceivedFile(job, b""))
        raise
    return ReceivedFile(job, file.digest())


def import_accept(*, tenant: Tenant, received: ReceivedFile) -> Job:
    """In the transaction that answers 202."""
    Job.objects.filter(tenant=tenant, id=received.job.id).update(state=JobState.QUEUED)
    jobs_wake()
    received.job.refresh_from_db()
    return received.job


def upload_discard(*, tenant: Tenant, received: ReceivedFile) -> None:
    """Delete a file that was not accepted; an accepted job stays."""
    Job.objects.filter(tenant=tenant, id=received.job.id, state=JobState.UPLOADING).delete()


def _upload_capacity_require(tenant: Tenant) -> None:
    """One tenant's slow uploads must not block the others. Older ones do not count: their web process has ended."""
    oldest = timezone.now() - timedelta(seconds=settings.PUSHHUB_UPLOAD_SECONDS)
    arriving = Job.objects.filter(tenant=tenant, state=JobState.UPLOADING, created_at__gte=oldest)
    if arriving.count() >= UPLOADS_PER_TENANT:
        detail = "Too many files of this tenant are being uploaded. Wait until one is complete."
        raise ApiError(ErrorCode.RATE_LIMITED, detail=detail, retry_after=5)


class _File:
    def __init__(self, job: Job, *, deadline: float) -> None:
        """`deadline` (time.monotonic()): the whole file, unpacked, must have arrived by then."""
        self._job = job
        self._deadline = deadline
        self._hash = hashlib.sha256()
        self._size = 0
        self._records = RecordSplitter(quoted=job.format == Job.Format.CSV)
        self._chunk = bytearray()
        self._first_line = 1
        self._next_line = 1  # the line that a line end after the chunk would start
        self._number = 0
        self._total = 0
        self._has_header = job.format != Job.Format.CSV

    def take(self, block: bytes) -> None:
        self._size += len(block)
        if self._size > settings.PUSHHUB_IMPORT_MAX_BYTES:
            raise _too_large(f"A file has at most {settings.PUSHHUB_IMPORT_MAX_BYTES} bytes.")
        if time.monotonic() > self._deadline:
            raise _too_large(f"The file takes longer than {settings.PUSHHUB_UPLOAD_SECONDS} seconds: split it.")
        self._hash.update(block)
        for record in self._records.feed(block):
            self._keep(record)
        if self._records.line > MAX_LINES + 1:
            raise _too_large(f"A file has at most {MAX_LINES} lines.")

    def end(self) -> None:
        for record in self._records.end():
            self._keep(record)
        self._store()
        if not self._has_header:
            raise ApiError(ErrorCode.INVALID, detail="The file has no header row.", pointer="")
        Job.objects.filter(id=self._job.id).update(total=self._total, options=self._job.options)

    def digest(self) -> bytes:
        return self._hash.digest()

    def _keep(self, record: Record) -> None:
        if not self._has_header:
            self._job.options["columns"] = csv_columns(record)
            self._has_header = True
            return
        self._blanks_keep(record.line - self._next_line)
        if not self._chunk:
            self._first_line = record.line
        if record.too_long:
            # A placeholder that is too long as well: the record's own quotes and line ends could break later records.
            self._chunk += b"x" * (MAX_RECORD + 1) + b"\n"
        else:
            self._chunk += record.raw + b"\n"
        self._total += 1
        self._next_line = self._records.line
        if len(self._chunk) >= CHUNK_BYTES or record.too_long:
            self._store()

    def _blanks_keep(self, count: int) -> None:
        """Line numbers include blank lines. Blank lines between two chunks need not be stored."""
        if len(self._chunk) + count >= CHUNK_BYTES:
            self._store()
        elif self._chunk:
            self._chunk += b"\n" * count

    def _store(self) -> None:
        if self._chunk:
            sql.chunk_insert(
                job=self._job,
                number=self._number,
                first_line=self._first_line,
                data_sealed=chunk_seal(bytes(self._chunk)),
            )
            self._number += 1
            self._chunk.clear()


def _too_large(detail: str) -> ApiError:
    return ApiError(ErrorCode.TOO_LARGE, detail=detail)


def _inflated(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks unpacked if they are gzip, as Pinpoint's exports are; the first bytes show it. Raises ApiError."""
    first = next(blocks, b"")
    if not first.startswith(GZIP):
        yield first
        yield from blocks
        return
    packed = zlib.decompressobj(wbits=31)
    try:
        for block in chain([first], blocks):
            while block:
                if packed.eof:  # another member (RFC 1952 §2.2)
                    packed = zlib.decompressobj(wbits=31)
                yield packed.decompress(block, INFLATE_BYTES)
                block = packed.unused_data if packed.eof else packed.unconsumed_tail
        yield packed.flush()
    except zlib.error:
        raise ApiError(ErrorCode.MALFORMED, detail="The file is gzip only in part.") from None
    if not packed.eof:
        raise ApiError(ErrorCode.MALFORMED, detail="The gzip file ends early.")
