"""The routes of imports, exports and jobs: parse, call one service, respond."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from devices.bulk import examples, selectors, services
from devices.bulk.body import body_blocks
from devices.bulk.downloads import Download
from devices.bulk.models import Job, JobState
from devices.bulk.serializers import (
    ExportSerializer,
    ImportQuery,
    JobErrorPageResponse,
    JobErrorResponse,
    JobPageResponse,
    JobQuery,
    JobResponse,
)
from pushhub.http.api import ApiView, ListQuery, cursor_paginate
from pushhub.http.openapi import documented
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller, caller_of
from tenants.idempotency import idempotent, key_parse
from tenants.scopes import Scope

NDJSON_TYPE = "application/x-ndjson"
MEDIA_TYPES = {NDJSON_TYPE: Job.Format.NDJSON, "text/csv": Job.Format.CSV}
JOB_ID = OpenApiParameter("job_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def job_id_read(text: str) -> UUID:
    if not _UUID.fullmatch(text):
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such job.")
    return UUID(text)


class NdjsonRenderer(JSONRenderer):
    """Lets content negotiation accept the result's media type. Problems are still JSON."""

    media_type = NDJSON_TYPE
    format = "ndjson"


class ImportView(ApiView):
    required_scopes = {"POST": Scope.DEVICES_WRITE}

    @documented(
        summary="Import devices from a file",
        description="Accepted as a job (202) as soon as the file is stored. A line is the body of the device's PUT "
        "plus `device_id`; CSV has a header with the same names. Amazon Pinpoint's endpoint exports are accepted "
        "unchanged, with or without gzip. An error in one line does not stop the others. See docs/bulk.md.",
        request=dict.fromkeys(MEDIA_TYPES, OpenApiTypes.STR),
        query=ImportQuery,
        responses={202: JobResponse},
        examples=examples.IMPORTS,
        response_examples={202: examples.IMPORT_TAKEN},
        headers=["Location"],
        idempotent=True,
    )
    def post(self, request: Request) -> Response:
        caller, query = caller_of(request), ImportQuery.read(request)
        format = query.get("format") or _format(request)
        key_parse(request.headers.get("Idempotency-Key"))
        received = services.import_receive(
            tenant=caller.tenant,
            caller=caller,
            format=format,
            app=query.get("app", ""),
            blocks=body_blocks(request._request),
        )
        try:
            response = idempotent(
                request,
                lambda: (202, _job_response(services.import_accept(tenant=caller.tenant, received=received))),
                body_hash=received.body_hash,
            )
        finally:
            services.upload_discard(tenant=caller.tenant, received=received)
        return _located(response)


def _format(request: Request) -> str:
    media_type = (request.content_type or "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise ApiError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, detail=f"Send {' or '.join(MEDIA_TYPES)}.")
    return MEDIA_TYPES[media_type]


def _job_response(job: Job) -> Mapping[str, Any]:
    return JobResponse(job).data


def _located(response: Response) -> Response:
    response["Location"] = f"/v1/jobs/{response.data['id']}"
    return response


class ExportView(ApiView):
    required_scopes = {"POST": Scope.DEVICES_READ}

    @documented(
        summary="Export devices to a file",
        description="Accepted as a job (202). Its result is NDJSON, at `/v1/jobs/{job_id}/result` for 24 hours. "
        "Without `secrets`, a line is the body of `GET /v1/devices/{device_id}`; with it, a line of an import.",
        request=ExportSerializer,
        responses={202: JobResponse},
        examples=examples.EXPORTS,
        response_examples={202: examples.EXPORT_TAKEN},
        errors=[ErrorCode.NOT_FOUND],
        idempotent=True,
    )
    def post(self, request: Request) -> Response:
        caller, body = caller_of(request), ExportSerializer.read(request)
        secrets = body.pop("secrets")
        if secrets:
            _require_scope(caller, Scope.DEVICES_WRITE)
        return _located(
            idempotent(
                request,
                lambda: (
                    202,
                    _job_response(
                        services.export_create(tenant=caller.tenant, caller=caller, secrets=secrets, filters=dict(body))
                    ),
                ),
            )
        )


def _require_scope(caller: Caller, scope: Scope) -> None:
    if scope not in caller.scopes:
        raise ApiError(ErrorCode.SCOPE_MISSING, detail=f"This requires the scope {scope}.")


class JobsView(ApiView):
    required_scopes = {"GET": Scope.DEVICES_READ}

    @documented(
        summary="List jobs, newest first",
        query=JobQuery,
        responses={200: JobPageResponse},
        response_examples={200: examples.JOBS},
    )
    def get(self, request: Request) -> Response:
        JobQuery.read(request)
        jobs = selectors.job_list(tenant=caller_of(request).tenant)
        return cursor_paginate(jobs, request).response(_job_response)


class JobView(ApiView):
    required_scopes = {"GET": Scope.DEVICES_READ}

    @documented(
        summary="Read a job",
        responses={200: JobResponse},
        response_examples={200: examples.RUNNING},
        parameters=[JOB_ID],
    )
    def get(self, request: Request, job_id: str) -> Response:
        return Response(_job_response(_job(request, job_id)))


class JobCancelView(ApiView):
    required_scopes = {"POST": Scope.DEVICES_WRITE}

    @documented(
        summary="Cancel a job",
        description="Devices that are imported already stay.",
        responses={200: JobResponse},
        response_examples={200: examples.CANCELLED},
        errors=[ErrorCode.CONFLICT],
        parameters=[JOB_ID],
    )
    def post(self, request: Request, job_id: str) -> Response:
        job = services.job_cancel(tenant=caller_of(request).tenant, job_id=job_id_read(job_id))
        return Response(_job_response(job))


class JobErrorsView(ApiView):
    required_scopes = {"GET": Scope.DEVICES_READ}

    @documented(
        summary="List the lines with errors",
        description="In the file's order, the first 100,000. Skipped lines are listed as well.",
        query=ListQuery,
        responses={200: JobErrorPageResponse},
        response_examples={200: examples.ERRORS},
        parameters=[JOB_ID],
    )
    def get(self, request: Request, job_id: str) -> Response:
        ListQuery.read(request)
        errors = selectors.job_errors(tenant=caller_of(request).tenant, job=_job(request, job_id))
        return cursor_paginate(errors, request, key="id").response(lambda error: JobErrorResponse(error).data)


class JobResultView(ApiView):
    required_scopes = {"GET": Scope.DEVICES_READ}
    renderer_classes = [JSONRenderer, NdjsonRenderer]

    @documented(
        summary="Download an export",
        description="NDJSON, one device in each line. An export with `secrets` requires the scope devices:write "
        "as well. The number of downloads at the same time is limited (429, 503 with `Retry-After`).",
        responses={
            (200, NDJSON_TYPE): OpenApiResponse(OpenApiTypes.STR, description="The file.", examples=[examples.RESULT])
        },
        errors=[ErrorCode.CONFLICT],
        parameters=[JOB_ID],
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        caller, job = caller_of(request), _job(request, job_id)
        if job.kind != Job.Kind.EXPORT:
            raise ApiError(ErrorCode.NOT_FOUND, detail="Only exports have a result.")
        if job.options["secrets"]:
            _require_scope(caller, Scope.DEVICES_WRITE)
        if job.state != JobState.COMPLETED:
            raise ApiError(ErrorCode.CONFLICT, detail=f"The job is {job.state}: there is no result.")
        if job.expires_at is None:
            raise ApiError(ErrorCode.NOT_FOUND, detail="The result has expired.")
        return StreamingHttpResponse(
            Download(tenant=caller.tenant, blocks=selectors.job_result(tenant=caller.tenant, job=job)),
            content_type=NDJSON_TYPE,
            headers={"Content-Disposition": f'attachment; filename="devices-{job.id}.ndjson"'},
        )


def _job(request: Request, job_id: str) -> Job:
    return selectors.job_get_for_tenant(tenant=caller_of(request).tenant, job_id=job_id_read(job_id))
