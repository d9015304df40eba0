"""The doors for writing jobs, and for what jobs write."""

from devices.bulk.services.exporting import export_create
from devices.bulk.services.jobs import job_cancel, jobs_expire
from devices.bulk.services.running import jobs_step, jobs_waiting
from devices.bulk.services.uploading import Upload, import_accept, import_receive, upload_discard

__all__ = [
    "Upload",
    "export_create",
    "import_accept",
    "import_receive",
    "job_cancel",
    "jobs_expire",
    "jobs_step",
    "jobs_waiting",
    "upload_discard",
]
