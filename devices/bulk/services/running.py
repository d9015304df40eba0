"""The workers' side of jobs: claim the job that is due, and do one slice of it."""

import time
from enum import Enum

from django.db import connection, transaction

from devices.bulk import sql
from devices.bulk.batches import batches_read
from devices.bulk.lines import LineReader
from devices.bulk.log import error_log
from devices.bulk.models import Job, JobChunk, JobState
from devices.bulk.services import exporting
from devices.bulk.services.committing import batch_commit
from devices.bulk.services.jobs import job_finish
from devices.bulk.services.leases import LeasedJob, LeaseLost
from pushhub.kernel.crypto import SealBroken
from pushhub.workers.leased_work import LeasedWork, one_by_one

SLICE_SECONDS = 2.0
TRIES = 5  # without progress in between; 20 seconds apart, because the lease must run out first


class SliceEnd(Enum):
    """How a slice ended before its job."""

    PAUSED = "its time is up, or another worker has the job"
    BROKEN_OFF = "an exception"


def jobs_waiting() -> bool:
    """Whether any job is open, also one that another worker has."""
    return Job.objects.filter(state__in=(JobState.QUEUED, JobState.RUNNING)).exists()


def jobs_step(*, deadline: float) -> bool:
    """One slice of the job that is due, until `deadline` (time.monotonic()) at most. False: nothing to do."""
    return bool(jobs_work(deadline=deadline).step())


def jobs_work(*, deadline: float) -> LeasedWork[LeasedJob, SliceEnd]:
    """A slice commits many times, and renews the lease each time; the settle at its end only releases the job."""

    def call(leased: LeasedJob) -> SliceEnd | None:
        return _slice_run(leased, until=min(deadline, time.monotonic() + SLICE_SECONDS))

    return LeasedWork(
        name="jobs", item_id=lambda leased: leased.job.id, claim=_claim, calls=one_by_one(call), settle=_slice_settle
    )


def _claim() -> list[LeasedJob]:
    with connection.cursor() as cursor:
        claimed = sql.job_claim(cursor)
    if claimed is None:
        return []
    job_id, lease = claimed
    return [LeasedJob(Job.objects.select_related("tenant").get(id=job_id), lease)]


def _slice_run(leased: LeasedJob, *, until: float) -> SliceEnd | None:
    """None: the job has ended, nothing is left to settle."""
    try:
        return None if _slice(leased, until=until) else SliceEnd.PAUSED
    except LeaseLost:
        return SliceEnd.PAUSED
    except Exception as error:
        error_log("a job broke off", error, job=str(leased.job.id))
        return SliceEnd.BROKEN_OFF


def _slice(leased: LeasedJob, *, until: float) -> bool:
    """Whether the job has ended."""
    try:
        slice = _export_slice if leased.job.kind == Job.Kind.EXPORT else _import_slice
        return slice(leased, until)
    except exporting.ExportRefused as refused:
        _finish(leased, JobState.FAILED, refused.reason)
    except SealBroken:
        _finish(leased, JobState.FAILED, "The file cannot be opened: its encryption key is gone.")
    return True


def _slice_settle(leased: LeasedJob, end: SliceEnd) -> bool:
    return leased.release() if end is SliceEnd.PAUSED else _broken_off(leased)


def _broken_off(leased: LeasedJob) -> bool:
    """The job is tried again when its lease has run out, TRIES times at most: the tenant's other files wait."""
    try:
        leased.renew()
    except LeaseLost:
        return False
    job = Job.objects.select_related("tenant").get(id=leased.job.id)
    done, times = job.options.get("broken_off", (0, 0))
    times = times + 1 if done == job.done else 1
    job.options["broken_off"] = [job.done, times]
    Job.objects.filter(id=job.id).update(options=job.options)
    if times >= TRIES:
        job_finish(job=job, state=JobState.FAILED, reason="An internal error: the operator's log has the cause.")
    return True


def _export_slice(leased: LeasedJob, until: float) -> bool:
    while exporting.export_step(leased=leased):
        if time.monotonic() >= until:
            return False
    return True


def _import_slice(leased: LeasedJob, until: float) -> bool:
    reader = LineReader(tenant=leased.job.tenant, job=leased.job)
    _statistics_refresh(leased)
    for batch, items in batches_read(leased.job, reader):
        batch_commit(leased=leased, items=items)
        if batch.last:
            _chunk_done(leased, batch.chunk)
        if time.monotonic() >= until:
            return False
    _finish(leased, JobState.COMPLETED)
    return True


def _finish(leased: LeasedJob, state: JobState, reason: str = "") -> None:
    with transaction.atomic():
        leased.renew()
        job_finish(job=leased.job, state=state, reason=reason)


def _statistics_refresh(leased: LeasedJob) -> None:
    with connection.cursor() as cursor:
        sql.statistics_refresh(cursor, grown_by=leased.job.created)


def _chunk_done(leased: LeasedJob, number: int) -> None:
    job = leased.job
    with transaction.atomic():
        leased.renew()
        job.chunk, job.record = number + 1, 0
        Job.objects.filter(id=job.id).update(chunk=job.chunk, record=0)
        JobChunk.objects.filter(job=job, number=number).delete()
    _statistics_refresh(leased)
