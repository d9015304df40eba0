"""Export devices to a file: NDJSON in key order, one chunk in each step."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from devices.api.serializers import DeviceResponse
from devices.bulk import sql
from devices.bulk.formats import json_line
from devices.bulk.models import Job, JobState
from devices.bulk.sealing import chunk_seal
from devices.bulk.services.jobs import job_capacity_require, job_finish, jobs_wake
from devices.bulk.services.leases import LeasedJob
from devices.models import Device
from devices.sealing import endpoint_unseal
from devices.selectors import app_get_for_tenant, device_list
from devices.types import PROFILE_FIELDS
from providers.registry import provider_get
from pushhub.kernel.crypto import SealBroken
from pushhub.kernel.errors import ApiError
from tenants.callers import Caller
from tenants.models import Tenant

ROWS = 2000


class ExportRefused(Exception):
    """The file can never be written; `reason` is for the caller of the export."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def export_create(*, tenant: Tenant, caller: Caller, secrets: bool, filters: dict[str, str]) -> Job:
    """In the transaction that answers 202. Raises ApiError RATE_LIMITED, and NOT_FOUND for an unknown app."""
    job_capacity_require(tenant=tenant)
    if "app" in filters:  # by id, because the app may be renamed before the job runs
        filters = filters | {"app": str(app_get_for_tenant(tenant=tenant, name=filters["app"]).id)}
    job = Job.objects.create(
        tenant=tenant,
        caller=caller.label,
        kind=Job.Kind.EXPORT,
        state=JobState.QUEUED,
        options={"secrets": secrets, "filters": filters},
    )
    jobs_wake()
    return job


def export_step(*, leased: LeasedJob) -> bool:
    """Write one chunk. False when nothing was left and the job has ended. Raises LeaseLost, ExportRefused."""
    job = leased.job
    with transaction.atomic():
        leased.renew()
        devices = list(_asked_for(job).filter(id__gt=job.after).order_by("id")[:ROWS])
        if not devices:
            job_finish(job=job, state=JobState.COMPLETED)
            return False
        write = _importable if job.options["secrets"] else _shown
        data = b"".join(json_line(write(device)) for device in devices)
        sql.chunk_insert(job=job, number=job.chunk, data_sealed=chunk_seal(data))
        job.chunk, job.after, job.done = job.chunk + 1, devices[-1].id, job.done + len(devices)
        Job.objects.filter(id=job.id).update(chunk=job.chunk, after=job.after, done=job.done, total=job.done)
    return True


def _asked_for(job: Job) -> QuerySet[Device]:
    try:
        return device_list(tenant=job.tenant, **job.options["filters"])
    except ApiError as error:
        raise ExportRefused(error.detail) from None


_RESPONSE = DeviceResponse()


def _shown(device: Device) -> dict[str, Any]:
    """The body of `GET /v1/devices/{device_id}`."""
    shown: dict[str, Any] = _plain(_RESPONSE.to_representation(device))
    return shown


def _importable(device: Device) -> dict[str, Any]:
    """A line for `POST /v1/devices:import`, with the device's token or subscription."""
    line = {
        "device_id": str(device.device_id),
        "platform": device.platform,
        "app": device.app.name,
        "user_id": device.user.user_id if device.user else None,
        **{name: getattr(device, name) for name in PROFILE_FIELDS},
    }
    try:
        address = endpoint_unseal(bytes(device.endpoint_sealed or b""), provider=device.app.provider)
    except SealBroken:
        raise ExportRefused(f"Device {device.device_id} cannot be opened: its encryption key is gone.") from None
    key = device.vapid_key.public_key if device.vapid_key else ""
    return line | provider_get(device.app.provider).address.body(address, key=key)


def _plain(value: Any) -> Any:
    """DRF's types and UUIDs as JSON values."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value if value is None or isinstance(value, str | int | float | list) else str(value)
