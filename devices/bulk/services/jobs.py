"""The life of a job: limited, cancelled, finished, deleted."""

from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from devices.bulk.models import Job, JobChunk, JobState
from devices.bulk.selectors import job_get_for_tenant
from devices.services.endpoints import QUEUE
from events.services import event_record
from events.types import EventType
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.workers.wake import wake
from tenants.models import Tenant

JOBS_TASK = "devices.bulk.tasks.jobs_run"
OPEN = (JobState.UPLOADING, JobState.QUEUED, JobState.RUNNING)
RESULT_HOURS = 24
UPLOAD_HOURS = 1
KEPT_DAYS = 30
BATCH = 100


def jobs_wake() -> None:
    transaction.on_commit(partial(wake, JOBS_TASK, QUEUE), robust=True)


def job_capacity_require(*, tenant: Tenant) -> None:
    """Files wait in the database, so the number of a tenant's open jobs is limited. Raises ApiError RATE_LIMITED."""
    if Job.objects.filter(tenant=tenant, state__in=OPEN).count() >= settings.PUSHHUB_JOBS_PER_TENANT:
        raise ApiError(
            ErrorCode.RATE_LIMITED, detail="Too many jobs are open. Wait until one has ended.", retry_after=30
        )


def job_cancel(*, tenant: Tenant, job_id: UUID) -> Job:
    """What is written stays; cancelling again changes nothing. Raises ApiError NOT_FOUND, CONFLICT."""
    with transaction.atomic():
        found = job_get_for_tenant(tenant=tenant, job_id=job_id)
        job = Job.objects.select_for_update(no_key=True).get(tenant=tenant, id=found.id)
        if job.state in (JobState.COMPLETED, JobState.FAILED):
            raise ApiError(ErrorCode.CONFLICT, detail=f"The job is {job.state}.")
        if job.state != JobState.CANCELLED:
            job_finish(job=job, state=JobState.CANCELLED)
    return job_get_for_tenant(tenant=tenant, job_id=job_id)


def job_finish(*, job: Job, state: JobState, reason: str = "") -> None:
    """In the caller's transaction, which has locked the job. The file is deleted, except the result of an export."""
    keeps = state == JobState.COMPLETED and job.kind == Job.Kind.EXPORT
    Job.objects.filter(id=job.id).update(
        state=state,
        reason=reason,
        lease=None,
        lease_expires_at=None,
        finished_at=Now(),
        expires_at=timezone.now() + timedelta(hours=RESULT_HOURS) if keeps else None,
    )
    if not keeps:
        JobChunk.objects.filter(job=job).delete()
    type = EventType(f"job.{state}")
    event_record(tenant=job.tenant, type=type, subject=str(job.id), data={"kind": job.kind, "reason": reason})


def jobs_expire() -> None:
    """Upkeep: delete expired results, unfinished uploads and old jobs."""
    now = timezone.now()
    expired = list(Job.objects.filter(expires_at__lt=now).values_list("id", flat=True)[:BATCH])
    JobChunk.objects.filter(job__in=expired).delete()
    Job.objects.filter(id__in=expired).update(expires_at=None)
    abandoned = now - timedelta(hours=UPLOAD_HOURS)
    Job.objects.filter(state=JobState.UPLOADING, created_at__lt=abandoned).delete()
    old = Job.objects.filter(created_at__lt=now - timedelta(days=KEPT_DAYS)).exclude(state__in=OPEN)
    Job.objects.filter(id__in=list(old.values_list("id", flat=True)[:BATCH])).delete()
