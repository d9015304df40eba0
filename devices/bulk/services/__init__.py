"""Write jobs, and the devices that jobs import."""

from devices.bulk.services.exporting import export_create
from devices.bulk.services.jobs import job_cancel, jobs_expire
from devices.bulk.services.running import jobs_step, jobs_waiting
from devices.bulk.services.uploading import ReceivedFile, import_accept, import_receive, upload_discard

__all__ = [
    "ReceivedFile",
    "export_create",
    "import_accept",
    "import_receive",
    "job_cancel",
    "jobs_expire",
    "jobs_step",
    "jobs_waiting",
    "upload_discard",
]
