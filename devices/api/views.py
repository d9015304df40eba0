"""The routes of devices: parse, call one service, respond."""

import re
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from devices import services
from devices.api import examples
from devices.api.serializers import (
    DevicePageResponse,
    DeviceQuery,
    DeviceRegisteredResponse,
    DeviceRegistrationSerializer,
    DeviceResponse,
    DeviceUpdateSerializer,
    WebPushConfigResponse,
    profile_of,
    registration_build,
)
from devices.authentication import SECRET_HEADER, DeviceSecretAuthentication, device_secret_of
from devices.selectors import app_for_platform, device_get_for_tenant, device_list, vapid_key_current
from devices.types import UNSET
from pushhub.http.api import ApiView, cacheable, cursor_paginate, shared
from pushhub.http.openapi import documented
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.authentication import ServerKeyAuthentication, UserTokenAuthentication
from tenants.callers import caller_of
from tenants.scopes import Scope

CONFIG_SECONDS = 300
DEVICE_ID = OpenApiParameter(
    "device_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The installation's own UUID."
)
DEVICE_SECRET = OpenApiParameter(
    SECRET_HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Proof that this is the device; also taken from the body's `device_secret`.",
)
REGISTRATION_ERRORS = [
    ErrorCode.APP_AMBIGUOUS,
    ErrorCode.APP_UNAVAILABLE,
    ErrorCode.SUBSCRIPTION_INVALID,
    ErrorCode.ENDPOINT_REFUSED,
]
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def device_id_read(text: str) -> UUID:
    """In upper or lower case: iOS writes capitals. Raises ApiError NOT_FOUND."""
    if not _UUID.fullmatch(text):
        raise ApiError(ErrorCode.NOT_FOUND, detail="A device_id is a UUID.")
    return UUID(text)


class DevicesView(ApiView):
    required_scopes = {"GET": Scope.DEVICES_READ}

    @documented(
        summary="List devices, newest first",
        query=DeviceQuery,
        responses={200: DevicePageResponse},
        response_examples={200: examples.DEVICES},
        errors=[ErrorCode.NOT_FOUND],
    )
    def get(self, request: Request) -> Response:
        query = DeviceQuery.read(request)
        filters = {name: query[name] for name in ("user_id", "platform", "state", "app") if name in query}
        devices = device_list(tenant=caller_of(request).tenant, **filters)
        return cursor_paginate(devices, request).response(lambda device: DeviceResponse(device).data)


class DeviceView(ApiView):
    authentication_classes = [ServerKeyAuthentication, UserTokenAuthentication, DeviceSecretAuthentication]
    required_scopes = {
        "PUT": Scope.DEVICES_WRITE,
        "GET": Scope.DEVICES_READ,
        "PATCH": Scope.DEVICES_WRITE,
        "DELETE": Scope.DEVICES_WRITE,
    }
    allow_user_token = True

    @documented(
        summary="Register a device, or its new token",
        description="Idempotent. The first registration returns `device_secret`, once. To take over another user's "
        "device, a user token needs proof: the device's secret, its current token, or its current subscription with "
        "the same keys. Without proof the response is 404. Without a user token or server key, the secret must be that "
        "of the device; any other secret gives 401. If another device has the token or subscription, that device is "
        "retired. The keys of a push URL change only with the device's secret, for its own user or with a server key.",
        request=DeviceRegistrationSerializer,
        responses={200: DeviceResponse, 201: DeviceRegisteredResponse},
        errors=REGISTRATION_ERRORS,
        examples=examples.REGISTRATIONS,
        response_examples={200: examples.DEVICE, 201: examples.REGISTERED},
        parameters=[DEVICE_ID, DEVICE_SECRET],
    )
    def put(self, request: Request, device_id: str) -> Response:
        caller = caller_of(request)
        key = device_id_read(device_id)
        body = DeviceRegistrationSerializer.read(request)
        data = registration_build(body, device_secret=device_secret_of(request))
        registered = services.device_register(tenant=caller.tenant, caller=caller, device_id=key, data=data)
        body = dict(shared(DeviceResponse).to_representation(registered.device))
        if registered.device_secret is not None:
            body["device_secret"] = registered.device_secret
        return Response(body, status=201 if registered.created else 200)

    @documented(
        summary="Read a device",
        responses={200: DeviceResponse},
        response_examples={200: examples.DEVICE},
        parameters=[DEVICE_ID],
    )
    def get(self, request: Request, device_id: str) -> Response:
        caller = caller_of(request)
        device = device_get_for_tenant(tenant=caller.tenant, device_id=device_id_read(device_id))
        if not caller.is_server and (device.user is None or device.user.user_id != caller.user_id):
            raise ApiError(ErrorCode.NOT_FOUND, detail="No such device.")
        return Response(DeviceResponse(device).data)

    @documented(
        summary="Change a device's profile, or log out",
        description="What is not mentioned stays. `user_id` null logs out: that takes the device's secret alone, "
        "without any other credential.",
        request=DeviceUpdateSerializer,
        responses={200: DeviceResponse},
        examples=examples.UPDATES,
        response_examples={200: examples.DEVICE},
        parameters=[DEVICE_ID, DEVICE_SECRET],
    )
    def patch(self, request: Request, device_id: str) -> Response:
        caller = caller_of(request)
        key = device_id_read(device_id)
        body = DeviceUpdateSerializer.read(request)
        device = services.device_update(
            tenant=caller.tenant,
            caller=caller,
            device_id=key,
            user_id=body.get("user_id", UNSET),
            profile=profile_of(body),
            device_secret=device_secret_of(request),
        )
        return Response(DeviceResponse(device).data)

    @documented(
        summary="Forget a device",
        description="A worker deletes its endpoint at the vendor.",
        responses={204: None},
        parameters=[DEVICE_ID],
    )
    def delete(self, request: Request, device_id: str) -> Response:
        caller = caller_of(request)
        key = device_id_read(device_id)
        owner = None if caller.is_server else caller.user_id or ""
        services.device_delete(tenant=caller.tenant, device_id=key, owner=owner)
        return Response(status=204)


class WebPushConfigView(ApiView):
    required_scopes = {"GET": None}
    allow_user_token = True

    @documented(
        summary="The key browsers subscribe with",
        description="A browser compares it with the key of its subscription. If they differ, it subscribes again.",
        responses={200: WebPushConfigResponse, 304: OpenApiResponse(description="It is what `If-None-Match` names.")},
        headers=["ETag", "Cache-Control"],
        response_examples={200: examples.WEBPUSH_CONFIG},
        errors=[ErrorCode.APP_AMBIGUOUS, ErrorCode.APP_UNAVAILABLE],
    )
    def get(self, request: Request) -> Response:
        app = app_for_platform(tenant=caller_of(request).tenant, platform="web")
        key = vapid_key_current(app=app)
        if key is None:
            raise ApiError(ErrorCode.APP_UNAVAILABLE, detail="The web push app has no VAPID key.")
        body = {"application_server_key": key.public_key, "key_id": str(key.id)}
        return cacheable(request, body, max_age=CONFIG_SECONDS)
