"""The routes of provider apps: parse, call one service, respond."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from devices import services
from devices.api import examples
from devices.api.serializers import (
    AppCreateSerializer,
    AppPageResponse,
    AppResponse,
    AppUpdateSerializer,
    VapidKeyResponse,
    VapidSerializer,
)
from devices.models import App
from devices.selectors import app_get_for_tenant, app_list
from pushhub.http.api import ApiView, ListQuery, cursor_paginate
from pushhub.http.openapi import documented
from pushhub.kernel.errors import ErrorCode
from tenants.callers import caller_of
from tenants.idempotency import idempotent
from tenants.models import Tenant
from tenants.scopes import Scope


class AppsView(ApiView):
    required_scopes = {"GET": Scope.APPS_READ, "POST": Scope.APPS_WRITE}

    @documented(
        summary="List provider apps, newest first",
        query=ListQuery,
        responses={200: AppPageResponse},
        response_examples={200: examples.APP_PAGE},
    )
    def get(self, request: Request) -> Response:
        ListQuery.read(request)
        apps = app_list(tenant=caller_of(request).tenant)
        return cursor_paginate(apps, request).response(lambda app: AppResponse(app).data)

    @documented(
        summary="Add a provider app",
        description="Secrets are write-only. A worker verifies an app's credentials: then `verifying` is false and "
        "`state` shows the result.",
        request=AppCreateSerializer,
        responses={201: AppResponse},
        response_examples={201: examples.SNS_APP_NEW},
        errors=[ErrorCode.CREDENTIALS_REFUSED, ErrorCode.CONFLICT],
        examples=examples.APPS,
        idempotent=True,
    )
    def post(self, request: Request) -> Response:
        tenant = caller_of(request).tenant
        body = AppCreateSerializer.read(request)
        return idempotent(request, lambda: (201, AppResponse(_create(tenant, body)).data))


class AppView(ApiView):
    required_scopes = {"GET": Scope.APPS_READ, "PATCH": Scope.APPS_WRITE, "DELETE": Scope.APPS_WRITE}

    @documented(
        summary="Read a provider app, by name or id",
        responses={200: AppResponse},
        response_examples={200: examples.SNS_APP},
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(AppResponse(app_get_for_tenant(tenant=caller_of(request).tenant, name=name)).data)

    @documented(
        summary="Change a provider app",
        description="A worker verifies new credentials. With `enabled` false, deliveries wait.",
        request=AppUpdateSerializer,
        responses={200: AppResponse},
        examples=examples.APP_UPDATES,
        response_examples={200: examples.SNS_APP_NEW},
        errors=[ErrorCode.CREDENTIALS_REFUSED, ErrorCode.CONFLICT],
    )
    def patch(self, request: Request, name: str) -> Response:
        tenant = caller_of(request).tenant
        body = AppUpdateSerializer.read(request)
        app = services.app_update(
            tenant=tenant,
            app=app_get_for_tenant(tenant=tenant, name=name),
            name=body.get("name"),
            settings={key: value for key, value in body.items() if key not in ("name", "enabled")},
            enabled=body.get("enabled"),
        )
        return Response(AppResponse(app).data)

    @documented(
        summary="Remove a provider app",
        description="Only one without devices.",
        responses={204: None},
        errors=[ErrorCode.CONFLICT],
    )
    def delete(self, request: Request, name: str) -> Response:
        tenant = caller_of(request).tenant
        services.app_delete(tenant=tenant, app=app_get_for_tenant(tenant=tenant, name=name))
        return Response(status=204)


class AppVerifyView(ApiView):
    required_scopes = {"POST": Scope.APPS_WRITE}

    @documented(
        summary="Try a provider app's credentials",
        description="A worker does it: then `verifying` is false and `state` shows the result. The deliveries that "
        "waited for a repaired app are sent.",
        responses={202: AppResponse},
        response_examples={202: examples.SNS_APP_NEW},
    )
    def post(self, request: Request, name: str) -> Response:
        tenant = caller_of(request).tenant
        app = services.app_verify(tenant=tenant, app=app_get_for_tenant(tenant=tenant, name=name))
        return Response(AppResponse(app).data, status=202)


class AppRotateView(ApiView):
    required_scopes = {"POST": Scope.APPS_WRITE}

    @documented(
        summary="Give a web push app a new VAPID key",
        description="Subscriptions made with the old key work until their client subscribes again.",
        request=VapidSerializer,
        responses={201: VapidKeyResponse},
        examples=examples.APP_ROTATIONS,
        response_examples={201: examples.VAPID_KEY},
        errors=[ErrorCode.CONFLICT],
        idempotent=True,
    )
    def post(self, request: Request, name: str) -> Response:
        tenant = caller_of(request).tenant
        body = VapidSerializer.read(request)
        app = app_get_for_tenant(tenant=tenant, name=name)

        def work() -> tuple[int, Any]:
            return 201, VapidKeyResponse(services.vapid_key_rotate(tenant=tenant, app=app, **body)).data

        return idempotent(request, work)


def _create(tenant: Tenant, body: dict[str, Any]) -> App:
    settings = {key: value for key, value in body.items() if key not in ("name", "provider")}
    return services.app_create(tenant=tenant, name=body["name"], provider=body["provider"], settings=settings)
