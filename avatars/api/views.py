"""The avatar routes: parse, call one service, respond. Also the embedded store's routes: its form and its pictures."""

import logging
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.cache import patch_cache_control
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.response import Response

from avatars import keys, selectors, services
from avatars.api import examples
from avatars.api.callbacks import s3_callback_apply
from avatars.api.form_receiver import Received, form_receive
from avatars.api.serializers import (
    AvatarCreatedResponse,
    AvatarCreateSerializer,
    AvatarDetailResponse,
    AvatarPageResponse,
    AvatarQuery,
    AvatarResponse,
    avatar_detail_response,
    avatar_response,
)
from avatars.services.uploads import UploadedObject, upload_observed
from avatars.storage import storage_get
from avatars.storage.base import PUBLIC, PUBLIC_SECONDS, ObjectMissing, StorageRetry
from avatars.storage.form_policy import FormRefused
from avatars.storage.local import LocalStorage
from providers.sns.receipts import MAX_MESSAGE
from pushhub.http.api import ApiView, SignedView, bounded_body, cursor_paginate
from pushhub.http.openapi import documented
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller, caller_of, require_own_user
from tenants.idempotency import idempotent
from tenants.scopes import Scope

logger = logging.getLogger(__name__)

NAME_MAX = 100  # characters; a SHA-256 and an extension
VARIANT_MAX_BYTES = 16 * 1024 * 1024


class AvatarsView(ApiView):
    required_scopes = {"POST": Scope.AVATARS_WRITE, "GET": Scope.AVATARS_READ}
    allow_user_token = True

    @documented(
        summary="Start an upload",
        description=(
            "Answers a presigned POST: send its fields and the picture to its URL. What becomes of the picture shows "
            "in the avatar's `state`, and is pushed to the user."
        ),
        request=AvatarCreateSerializer,
        responses={201: AvatarCreatedResponse},
        errors=[ErrorCode.RATE_LIMITED],
        examples=examples.CREATE_EXAMPLES,
        response_examples={201: examples.CREATED},
        headers=["Location"],
        idempotent=True,
    )
    def post(self, request: Request) -> Response:
        caller, body = caller_of(request), AvatarCreateSerializer.read(request)
        user_id = _user_of(caller, body.get("user_id"))
        response = idempotent(request, lambda: (201, _created(caller, user_id, body["content_type"])))
        response["Location"] = f"/v1/avatars/{response.data['id']}"
        return response

    @documented(
        summary="List avatars, newest first",
        query=AvatarQuery,
        responses={200: AvatarPageResponse},
        response_examples={200: examples.AVATARS},
    )
    def get(self, request: Request) -> Response:
        caller, query = caller_of(request), AvatarQuery.read(request)
        user_id = query.get("user_id", caller.user_id)
        if user_id is not None:
            require_own_user(caller, user_id)
        avatars = selectors.avatar_list(tenant=caller.tenant, user_id=user_id, state=query.get("state"))
        return cursor_paginate(avatars, request).response(lambda avatar: AvatarResponse(avatar_response(avatar)).data)


def _user_of(caller: Caller, given: str | None) -> str:
    user_id = given if given is not None else caller.user_id
    if user_id is None:
        raise ApiError(ErrorCode.INVALID, detail="A request with a server key must name the user.", pointer="/user_id")
    require_own_user(caller, user_id)
    return user_id


def _created(caller: Caller, user_id: str, content_type: str) -> Any:
    created = services.avatar_create(tenant=caller.tenant, user_id=user_id, content_type=content_type)
    created.avatar.refresh_from_db(fields=["created_at"])
    upload = {
        "url": created.form.url,
        "fields": created.form.fields,
        "expires_at": created.avatar.upload_expires_at,
        "max_bytes": created.max_bytes,
        "content_types": [content_type],
    }
    return AvatarCreatedResponse({**avatar_response(created.avatar), "upload": upload}).data


class AvatarView(ApiView):
    required_scopes = {"GET": Scope.AVATARS_READ, "DELETE": Scope.AVATARS_WRITE}
    allow_user_token = True

    @documented(
        summary="Read an avatar's state",
        description="The engine's labels are shown to server keys only.",
        responses={200: AvatarDetailResponse},
        response_examples={200: examples.REJECTED},
    )
    def get(self, request: Request, avatar_id: UUID) -> Response:
        caller = caller_of(request)
        avatar = selectors.avatar_get_for_tenant(tenant=caller.tenant, avatar_id=avatar_id, user_id=caller.user_id)
        return Response(avatar_detail_response(avatar, labels=caller.is_server))

    @documented(
        summary="Delete an avatar",
        description="The picture is not shown any more. Every version of its objects is deleted soon after.",
        responses={204: None},
    )
    def delete(self, request: Request, avatar_id: UUID) -> Response:
        caller = caller_of(request)
        services.avatar_delete(tenant=caller.tenant, avatar_id=avatar_id, user_id=caller.user_id)
        return Response(status=204)


class AvatarCompleteView(ApiView):
    required_scopes = {"POST": Scope.AVATARS_WRITE}
    allow_user_token = True

    @documented(
        summary="Report that the picture is uploaded",
        description="For stores that send no events: pushhub looks for the picture in the store. Repeating is safe.",
        responses={202: AvatarDetailResponse},
        response_examples={202: examples.UPLOADED},
        errors=[ErrorCode.CONFLICT],
    )
    def post(self, request: Request, avatar_id: UUID) -> Response:
        caller = caller_of(request)
        try:
            avatar = services.avatar_complete(tenant=caller.tenant, avatar_id=avatar_id, user_id=caller.user_id)
        except StorageRetry:
            raise ApiError(ErrorCode.UNAVAILABLE, detail="The store is not available.", retry_after=5) from None
        return Response(avatar_detail_response(avatar, labels=caller.is_server), status=202)


class AvatarAppealView(ApiView):
    required_scopes = {"POST": Scope.AVATARS_WRITE}
    allow_user_token = True

    @documented(
        summary="Have a person review a rejected avatar again",
        description=(
            "Once for each avatar, within the tenant's `appeal_days`. With `appeal_days` 0, the default, a rejected "
            "picture is deleted at once and every appeal answers a conflict: the user can only upload another picture."
        ),
        responses={200: AvatarDetailResponse},
        response_examples={200: examples.IN_REVIEW},
        errors=[ErrorCode.CONFLICT],
    )
    def post(self, request: Request, avatar_id: UUID) -> Response:
        caller = caller_of(request)
        avatar = services.avatar_appeal(tenant=caller.tenant, avatar_id=avatar_id, user_id=caller.user_id)
        return Response(avatar_detail_response(avatar, labels=caller.is_server))


class S3CallbackView(SignedView):
    @documented(
        summary="Receive the bucket's events from Amazon SNS",
        description="The body is SNS's, as text/plain, signed by SNS and from a topic of the operator's list.",
        responses={200: None},
        errors=[ErrorCode.SIGNATURE_INVALID, ErrorCode.INVALID],
    )
    def post(self, request: Request) -> Response:
        s3_callback_apply(raw=bounded_body(request, limit=MAX_MESSAGE))
        return Response(status=200)


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    """The embedded store's form. Its signature is the only credential, so any origin may send it. Responds like S3."""
    storage = storage_get()
    if not isinstance(storage, LocalStorage):
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        received = form_receive(request, storage)
    except FormRefused as refused:
        return _s3_error(refused)
    except StorageRetry as error:
        logger.warning("upload not stored", extra={"error": str(error)})
        return _s3_error(FormRefused(503, "SlowDown", "Reduce your request rate."))
    _observe(storage, received)
    return HttpResponse(status=204, headers={"ETag": f'"{received.etag}"', "Access-Control-Allow-Origin": "*"})


def _observe(storage: LocalStorage, received: Received) -> None:
    """The embedded store's event. The file's time of modification orders the versions of one key."""
    names = keys.upload_key_read(received.key)
    assert names is not None
    written = storage.path(received.key).stat().st_mtime_ns
    upload_observed(
        tenant_id=names[0],
        avatar_id=names[1],
        upload=UploadedObject(key=received.key, size=received.size, etag=received.etag, sequencer=f"{written:016X}"),
    )


def _s3_error(refused: FormRefused) -> HttpResponse:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(refused.code)}</Code><Message>{escape(str(refused))}</Message></Error>"
    )
    headers = {"Access-Control-Allow-Origin": "*"}
    return HttpResponse(body, status=refused.status, content_type="application/xml", headers=headers)


def picture(request: HttpRequest, tenant_id: UUID, avatar_id: UUID, name: str) -> HttpResponse:
    """One public thumbnail. Its name is the hash of its content: it never changes, but it may be deleted."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    digest, _, extension = name.partition(".")
    storage = storage_get()
    if not isinstance(storage, LocalStorage) or extension not in keys.PUBLIC_EXTENSIONS or len(name) > NAME_MAX:
        raise Http404
    response = HttpResponse(content_type=keys.content_type(name))
    try:
        body = storage.get(f"{PUBLIC}/{tenant_id}/{avatar_id}/{name}", max_bytes=VARIANT_MAX_BYTES)
    except ObjectMissing:
        raise Http404 from None
    except StorageRetry as error:
        logger.warning("picture not read", extra={"error": str(error)})
        return HttpResponse("The store is not available.", status=503, content_type="text/plain")
    if f'"{digest}"' in {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}:
        response.status_code = 304
    else:
        response.content = body
    response["ETag"] = f'"{digest}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    patch_cache_control(response, public=True, max_age=PUBLIC_SECONDS)
    # Pictures are compressed already; gzip would cost time and make the ETag a weak one.
    request.META.pop("HTTP_ACCEPT_ENCODING", None)
    return response
