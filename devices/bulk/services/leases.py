"""The lease of a job: one worker at a time writes for it."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from devices.bulk import sql
from devices.bulk.models import Job
from tenants.callers import Caller


class LeaseLost(Exception):
    """The job was cancelled, or another worker has it: nothing of the transaction is kept."""


@dataclass(frozen=True, slots=True)
class LeasedJob:
    job: Job
    lease: UUID

    @property
    def caller(self) -> Caller:
        """The backend that sent the file: its key had the scope then."""
        return Caller(self.job.tenant, "server_key", self.job.caller)

    def renew(self) -> None:
        """Lock the job and renew its lease; in the transaction of every write. Raises LeaseLost."""
        with connection.cursor() as cursor:
            if not sql.job_lease_renew(cursor, job_id=self.job.id, lease=self.lease):
                raise LeaseLost

    def release(self) -> bool:
        """Let another worker continue. False if the lease is lost."""
        with connection.cursor() as cursor:
            return sql.job_release(cursor, job_id=self.job.id, lease=self.lease)
