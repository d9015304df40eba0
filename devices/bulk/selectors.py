"""Read jobs. A job whose file is still arriving is not shown."""

import json
from collections.abc import Iterator
from uuid import UUID

from django.db.models import QuerySet

from devices.bulk import sql
from devices.bulk.models import Job, JobChunk, JobError, JobState
from devices.bulk.sealing import chunk_open
from devices.models import App, AppState
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import EndUser, Tenant


def job_list(*, tenant: Tenant) -> QuerySet[Job]:
    return Job.objects.filter(tenant=tenant).exclude(state=JobState.UPLOADING)


def job_get_for_tenant(*, tenant: Tenant, job_id: UUID) -> Job:
    """Raises ApiError NOT_FOUND."""
    job = job_list(tenant=tenant).filter(id=job_id).first()
    if job is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such job.")
    return job


def job_errors(*, tenant: Tenant, job: Job) -> QuerySet[JobError]:
    return JobError.objects.filter(tenant=tenant, job=job)


def chunk_find(*, tenant: Tenant, job: Job, number: int) -> JobChunk | None:
    return sql.chunk_find(tenant_id=tenant.id, job_id=job.id, number=number)


def job_result(*, tenant: Tenant, job: Job) -> Iterator[bytes]:
    """The export's file, without people who were erased since. Only one chunk at a time is in memory."""
    for number in range(job.chunk):
        chunk = chunk_find(tenant=tenant, job=job, number=number)
        if chunk is None:
            return  # expired while it was read
        yield _without_erased(tenant, chunk_open(bytes(chunk.data_sealed)))


def _without_erased(tenant: Tenant, data: bytes) -> bytes:
    lines = [(json.loads(line)["user_id"], line) for line in data.splitlines(keepends=True)]
    named = {user_id for user_id, _ in lines if user_id is not None}
    known = set(EndUser.objects.filter(tenant=tenant, user_id__in=named).values_list("user_id", flat=True))
    return b"".join(line for user_id, line in lines if user_id is None or user_id in known)


def app_for_sns_platform(*, tenant: Tenant, sns_platform: str) -> App:
    """The only active app of that platform string of SNS. Raises ApiError APP_AMBIGUOUS or APP_UNAVAILABLE."""
    apps = App.objects.filter(tenant=tenant, sns_platform=sns_platform, state=AppState.ACTIVE).order_by("id")[:2]
    if not apps:
        raise ApiError(ErrorCode.APP_UNAVAILABLE, detail=f"There is no active app for {sns_platform}.", pointer="/app")
    if len(apps) > 1:
        raise ApiError(
            ErrorCode.APP_AMBIGUOUS,
            detail=f"There are several apps for {sns_platform}: name one in `?app=`.",
            pointer="/app",
        )
    return apps[0]
