"""An import's file on its way in: cut into sealed chunks as it streams, so that no more than one is in memory.

Each chunk commits by itself; the job is nobody's business until `import_accept` has queued it.
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
from devices.bulk.services.jobs import job_room_require, jobs_wake
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller
from tenants.models import Tenant

CHUNK_BYTES = 1024 * 1024  # eight batches or so; storing one holds up everybody else's commits for 10 ms
INFLATE_BYTES = 256 * 1024
MAX_LINES = 5_000_000  # of 256 MiB: shorter ones are no devices
UPLOADS_PER_TENANT = 2  # at once; a web process receives few (pushhub.http.reception)
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Upload:
    """`body_hash`: SHA-256 of the file, for the Idempotency-Key."""

    job: Job
    body_hash: bytes = field(repr=False)


def import_receive(*, tenant: Tenant, caller: Caller, format: str, app: str, blocks: Iterator[bytes]) -> Upload:
    """Store the whole file. Not in a transaction: a chunk at a time. Raises ApiError TOO_LARGE, MALFORMED, INVALID,
    RATE_LIMITED."""
    job_room_require(tenant=tenant)
    _upload_room_require(tenant)
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
        upload_discard(tenant=tenant, upload=Upload(job, b""))
        raise
    return Upload(job, file.digest())


def import_accept(*, tenant: Tenant, upload: Upload) -> Job:
    """In the transaction that answers 202."""
    Job.objects.filter(tenant=tenant, id=upload.job.id).update(state=JobState.QUEUED)
    jobs_wake()
    upload.job.refresh_from_db()
    return upload.job


def upload_discard(*, tenant: Tenant, upload: Upload) -> None:
    """Whatever was not accepted goes; an accepted job stays."""
    Job.objects.filter(tenant=tenant, id=upload.job.id, state=JobState.UPLOADING).delete()


def _upload_room_require(tenant: Tenant) -> None:
    """One tenant's slow files leave room for the others'. Those begun longer ago died with their server."""
    begun = timezone.now() - timedelta(seconds=settings.PUSHHUB_UPLOAD_SECONDS)
    coming = Job.objects.filter(tenant=tenant, state=JobState.UPLOADING, created_at__gte=begun)
    if coming.count() >= UPLOADS_PER_TENANT:
        raise ApiError(ErrorCode.RATE_LIMITED, detail="Files are coming in: wait for one to end.", retry_after=5)


class _File:
    def __init__(self, job: Job, *, deadline: float) -> None:
        """`deadline` by time.monotonic(): whatever the file unpacks to, it is here by then."""
        self._job = job
        self._deadline = deadline
        self._hash = hashlib.sha256()
        self._size = 0
        self._records = RecordSplitter(quoted=job.format == Job.Format.CSV)
        self._chunk = bytearray()
        self._first_line = 1
        self._next_line = 1  # that which a line end after the chunk would begin
        self._number = 0
        self._total = 0
        self._has_header = job.format != Job.Format.CSV

    def take(self, block: bytes) -> None:
        self._size += len(block)
        if self._size > settings.PUSHHUB_IMPORT_MAX_BYTES:
            raise _too_large(f"A file is at most {settings.PUSHHUB_IMPORT_MAX_BYTES} bytes.")
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
            # What is kept of it only says that it was too long; its quotes and line ends must not confuse the rest.
            self._chunk += b"x" * (MAX_RECORD + 1) + b"\n"
        else:
            self._chunk += record.raw + b"\n"
        self._total += 1
        self._next_line = self._records.line
        if len(self._chunk) >= CHUNK_BYTES or record.too_long:
            self._store()

    def _blanks_keep(self, count: int) -> None:
        """Lines are counted with the blank ones; those between two chunks need not be kept."""
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
    """As it is, or unpacked if it is gzip (Pinpoint's exports are): told by its first bytes. Raises ApiError."""
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
        raise ApiError(ErrorCode.MALFORMED, detail="The file is not gzip all through.") from None
    if not packed.eof:
        raise ApiError(ErrorCode.MALFORMED, detail="The gzip file ends early.")
