"""Workers' side: whose turn it is, and one slice of it. A batch's rows, its reports and the cursor commit together."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import F

from devices.bulk import sql
from devices.bulk.batches import batches_read
from devices.bulk.lines import Fault, Item, Line, LineReader
from devices.bulk.log import fault_log
from devices.bulk.models import Job, JobChunk, JobError, JobState
from devices.bulk.services import exporting
from devices.bulk.services.applying import Counts, SetConflict, SingleLineRequired, line_register, lines_apply
from devices.bulk.services.jobs import job_finish
from pushhub.kernel.crypto import SealBroken
from pushhub.kernel.errors import ApiError, ErrorCode, FieldError
from pushhub.kernel.retry_on_conflict import ATTEMPTS, CONFLICTS
from tenants.callers import Caller

logger = logging.getLogger(__name__)

SLICE_SECONDS = 2.0
TRIES = 5  # without a line done in between; 20 seconds apart, for the lease is left to run out
REPORTS_KEPT = 100_000  # of one job; all faults are counted


class LeaseLost(Exception):
    """The job was cancelled, or another worker has it: nothing of this batch is kept."""


@dataclass(frozen=True, slots=True)
class Held:
    job: Job
    lease: UUID

    @property
    def caller(self) -> Caller:
        """As the backend that brought the file: its key had the scope then."""
        return Caller(self.job.tenant, "server_key", self.job.caller)


def jobs_waiting() -> bool:
    """Whether any job is open, another worker's too."""
    return Job.objects.filter(state__in=(JobState.QUEUED, JobState.RUNNING)).exists()


def jobs_step(*, deadline: float) -> bool:
    """One slice of the job whose turn it is, until `deadline` (time.monotonic()) at most. False: nothing to do."""
    with transaction.atomic(), connection.cursor() as cursor:
        claimed = sql.job_claim(cursor)
    if claimed is None:
        return False
    job = Job.objects.select_related("tenant").get(id=claimed[0])
    held = Held(job, claimed[1])
    try:
        _slice(held, until=min(deadline, time.monotonic() + SLICE_SECONDS))
        _release(held)
    except LeaseLost:
        logger.info("job taken away", extra={"job": str(job.id)})
    except Exception as error:
        _broken_off(held, error)
    return True


def _slice(held: Held, *, until: float) -> None:
    try:
        if held.job.kind == Job.Kind.EXPORT:
            _export_slice(held, until)
        else:
            _import_slice(held, until)
    except exporting.ExportRefused as refused:
        _finish(held, JobState.FAILED, refused.reason)
    except SealBroken:
        _finish(held, JobState.FAILED, "The file cannot be opened: its encryption key is gone.")


def _broken_off(held: Held, error: Exception) -> None:
    """Tried again when the lease has run out, but not for ever: the tenant's other files wait. Raises when the database
    is away."""
    fault_log("a job broke off", error, job=str(held.job.id))
    with suppress(LeaseLost), transaction.atomic():
        _hold(held)
        job = Job.objects.select_related("tenant").get(id=held.job.id)
        done, times = job.options.get("broken_off", (0, 0))
        times = times + 1 if done == job.done else 1
        job.options["broken_off"] = [job.done, times]
        Job.objects.filter(id=job.id).update(options=job.options)
        if times >= TRIES:
            job_finish(job=job, state=JobState.FAILED, reason="A fault of ours: the operator's log says which.")


def _export_slice(held: Held, until: float) -> None:
    while exporting.export_step(job=held.job, hold=lambda: _hold(held)) and time.monotonic() < until:
        pass


def _import_slice(held: Held, until: float) -> None:
    reader = LineReader(tenant=held.job.tenant, job=held.job)
    _statistics_refresh(held)
    for batch, items in batches_read(held.job, reader):
        _batch_run(held, items)
        if batch.last:
            _chunk_done(held, batch.chunk)
        if time.monotonic() >= until:
            return
    _finish(held, JobState.COMPLETED)


def _finish(held: Held, state: JobState, reason: str = "") -> None:
    with transaction.atomic():
        _hold(held)
        job_finish(job=held.job, state=state, reason=reason)


def _release(held: Held) -> None:
    with connection.cursor() as cursor:
        sql.job_release(cursor, job_id=held.job.id, lease=held.lease)


def _hold(held: Held) -> None:
    with connection.cursor() as cursor:
        if not sql.job_hold(cursor, job_id=held.job.id, lease=held.lease):
            raise LeaseLost


def _statistics_refresh(held: Held) -> None:
    with connection.cursor() as cursor:
        sql.statistics_refresh(cursor, grown_by=held.job.created)


def _chunk_done(held: Held, number: int) -> None:
    job = held.job
    with transaction.atomic():
        _hold(held)
        job.chunk, job.record = number + 1, 0
        Job.objects.filter(id=job.id).update(chunk=job.chunk, record=0)
        JobChunk.objects.filter(job=job, number=number).delete()
    _statistics_refresh(held)


def _batch_run(held: Held, items: Sequence[Item]) -> None:
    for group in _distinct(items):
        rest, size = group, len(group)
        while rest:
            try:
                _set_commit(held, rest[:size])
            except SingleLineRequired as found:
                lines = [item for item in rest if isinstance(item, Line)]
                size = rest.index(lines[found.count])
                if size:
                    continue  # up to there it is plain, unless that has changed by then
                _single_commit(held, rest[0])
                size = 1
            # Lines that go alone come in crowds: sets grow again only as they succeed.
            rest, size = rest[size:], 2 * size


def _distinct(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Cut where a device or a token stands a second time: the later line is to find what the earlier one wrote."""
    seen: set[object] = set()
    group: list[Item] = []
    for item in items:
        if isinstance(item, Line):
            device, token = item.device_id.int, (item.app.id.int, item.address.hash)
            if device in seen or token in seen:
                yield group
                seen, group = set(), []
            seen.update((device, token))
        group.append(item)
    yield group


def _set_commit(held: Held, items: Sequence[Item]) -> None:
    lines = [item for item in items if isinstance(item, Line)]
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                _hold(held)
                counts = _lines_apply(held, lines)
                _settle(held, items, counts)
            _moved(held, items, counts)
            return
        except SetConflict:
            continue
        except SealBroken:
            break  # one of its devices cannot be opened
        except DatabaseError as error:
            if isinstance(error.__cause__, CONFLICTS):
                continue
            if isinstance(error, OperationalError):
                raise  # PostgreSQL went away, perhaps after the COMMIT: the rows say where to go on
            fault_log("a set of lines was refused", error, job=str(held.job.id))
            break
    for item in items:
        _single_commit(held, item)


def _lines_apply(held: Held, lines: Sequence[Line]) -> Counts:
    return lines_apply(tenant=held.job.tenant, caller=held.caller, lines=lines) if lines else Counts()


def _single_commit(held: Held, item: Item) -> None:
    with transaction.atomic():
        _hold(held)
        counts = Counts()
        if isinstance(item, Line):
            try:
                with transaction.atomic():
                    counts = line_register(tenant=held.job.tenant, caller=held.caller, line=item)
            except ApiError as error:
                faults = error.errors or [FieldError("", error.detail)]
                item = Fault(number=item.number, code=error.code.code, faults=faults)
            except OperationalError:
                raise
            except SealBroken:
                item = _internal(item, "The device cannot be opened: its encryption key is gone.")
            except DatabaseError as error:
                fault_log("a line was refused", error, job=str(held.job.id), line=item.number)
                item = _internal(item, "The line could not be stored.")
        _settle(held, [item], counts)
    _moved(held, [item], counts)


def _internal(line: Line, detail: str) -> Fault:
    return Fault(number=line.number, code=ErrorCode.INTERNAL.code, faults=[FieldError("", detail)])


def _settle(held: Held, items: Sequence[Item], counts: Counts) -> None:
    """Reports, counts and cursor, in the transaction of the rows."""
    job = held.job
    faults = [item for item in items if isinstance(item, Fault)]
    skipped = sum(fault.skipped for fault in faults)
    if faults and job.failed + job.skipped < REPORTS_KEPT:
        JobError.objects.bulk_create(
            JobError(
                tenant=job.tenant,
                job=job,
                line=item.number,
                code=item.code,
                detail=fault.detail[:300],
                pointer=fault.pointer[:200],
            )
            for item in faults
            for fault in item.faults
        )
    Job.objects.filter(id=job.id).update(
        record=F("record") + len(items),
        done=F("done") + len(items),
        created=F("created") + counts.created,
        updated=F("updated") + counts.updated,
        unchanged=F("unchanged") + counts.unchanged,
        skipped=F("skipped") + skipped,
        failed=F("failed") + len(faults) - skipped,
    )


def _moved(held: Held, items: Sequence[Item], counts: Counts) -> None:
    """What has committed is true of the job at hand, too."""
    held.job.created += counts.created
    held.job.record += len(items)
    held.job.failed += sum(isinstance(item, Fault) for item in items)
