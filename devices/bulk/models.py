"""A job's rows: the request and its progress, the stored file, and the errors of its lines."""

from django.db import models
from django.db.models import Q
from typing_extensions import override

from pushhub.kernel.ids import uuid7
from pushhub.kernel.purposes import Purpose
from pushhub.kernel.sealed_field import SealedField
from tenants.models import Tenant


class JobState(models.TextChoices):
    UPLOADING = "uploading"  # the file is still arriving; not shown, and deleted if the upload never ends
    QUEUED = "queued"  # accepted (202), not started
    RUNNING = "running"  # partly done
    COMPLETED = "completed"  # every line was processed
    FAILED = "failed"  # cannot continue; `reason` says why
    CANCELLED = "cancelled"  # stopped by its owner; what was written stays


class Job(models.Model):
    """One import or export. The cursor (`chunk`, `record` or `after`) commits with the rows it has written."""

    class Kind(models.TextChoices):
        IMPORT = "import"
        EXPORT = "export"

    class Format(models.TextChoices):
        NDJSON = "ndjson"
        CSV = "csv"
        PINPOINT = "pinpoint"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    caller = models.CharField(max_length=300)
    kind = models.CharField(max_length=10, choices=Kind)
    format = models.CharField(max_length=10, choices=Format, default=Format.NDJSON)
    options = models.JSONField(default=dict, help_text="CSV columns, default app; an export's filters.")
    state = models.CharField(max_length=10, choices=JobState)
    reason = models.CharField(max_length=200, blank=True)

    chunk = models.PositiveIntegerField(default=0, help_text="Import: the chunk to read next.")
    record = models.PositiveIntegerField(default=0, help_text="Import: how many of its records are done.")
    after = models.BigIntegerField(default=0, help_text="Export: the last device written.")
    total = models.PositiveBigIntegerField(null=True)
    done = models.PositiveBigIntegerField(default=0)
    created = models.PositiveBigIntegerField(default=0)
    updated = models.PositiveBigIntegerField(default=0)
    unchanged = models.PositiveBigIntegerField(default=0)
    skipped = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)

    lease = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    served_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="When an export's result is deleted.")

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "id"], name="job_tenant"),
            # The queue.
            models.Index(fields=["tenant", "id"], name="job_open", condition=Q(state__in=["queued", "running"])),
            models.Index(fields=["created_at"], name="job_created"),
            models.Index(fields=["expires_at"], name="job_expires", condition=Q(expires_at__isnull=False)),
        ]
        constraints = [models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state")]

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class JobChunk(models.Model):
    """Complete lines of a file. An import's chunk is kept until it is read, an export's until the result expires."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    first_line = models.PositiveBigIntegerField(default=1)
    data_sealed = SealedField(
        purpose=Purpose.JOB_CHUNK, editable=False, help_text="Tokens are secrets: sealed like the devices' own."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "job", "number"], name="job_chunk_number")]

    @override
    def __str__(self) -> str:
        return f"{self.job_id} {self.number}"


class JobError(models.Model):
    """Why a line was not applied, in pushhub's own words: never with the token or subscription."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="errors")
    line = models.PositiveBigIntegerField()
    code = models.CharField(max_length=40)
    detail = models.CharField(max_length=300)
    pointer = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "job", "id"], name="job_error_job")]

    @override
    def __str__(self) -> str:
        return f"{self.job_id} line {self.line}: {self.code}"
