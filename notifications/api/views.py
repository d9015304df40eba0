"""The notification routes: parse, call one service, respond."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from notifications import selectors, services
from notifications.api import examples, responses
from notifications.api.serializers import NotificationSerializer, draft_build
from notifications.states import DeliveryState, NotificationState
from pushhub.http.api import ApiView, ListQuery, MomentField, cursor_paginate, shared
from pushhub.http.openapi import documented
from pushhub.kernel.errors import ErrorCode
from tenants.callers import caller_of
from tenants.idempotency import idempotent
from tenants.models import Tenant
from tenants.scopes import Scope


class NotificationQuery(ListQuery):
    state = serializers.ChoiceField(NotificationState.values, required=False)
    created_after = MomentField(required=False, help_text="Accepted at or after this moment.")
    created_before = MomentField(required=False, help_text="Accepted before this moment.")


class DeliveryQuery(ListQuery):
    state = serializers.ChoiceField(DeliveryState.values, required=False)


class NotificationsView(ApiView):
    required_scopes = {"POST": Scope.NOTIFICATIONS_WRITE, "GET": Scope.NOTIFICATIONS_READ}

    @documented(
        summary="Send a notification",
        description="Stored now, sent by workers. Unknown users and devices make an empty audience, not an error.",
        request=NotificationSerializer,
        responses={202: responses.NotificationResponse, 200: responses.DryRunResponse},
        errors=[ErrorCode.PAYLOAD_TOO_LARGE, ErrorCode.LINK_REFUSED],
        examples=examples.CREATE_EXAMPLES,
        response_examples={202: examples.ACCEPTED, 200: examples.DRY_RUN},
        headers=["Location"],
        idempotent=True,
    )
    def post(self, request: Request) -> Response:
        tenant = caller_of(request).tenant
        body = NotificationSerializer.read(request)
        if body["dry_run"]:
            dry_run = services.notification_dry_run(tenant=tenant, data=draft_build(body))
            return Response(responses.DryRunResponse(asdict(dry_run)).data)
        response = idempotent(request, lambda: (202, _accepted(tenant, body)), atomic=True)
        response["Location"] = f"/v1/notifications/{response.data['id']}"
        return response

    @documented(
        summary="List notifications, newest first",
        query=NotificationQuery,
        responses={200: responses.NotificationPageResponse},
        response_examples={200: examples.NOTIFICATIONS},
    )
    def get(self, request: Request) -> Response:
        query = NotificationQuery.read(request)
        notifications = selectors.notification_list(
            tenant=caller_of(request).tenant,
            state=query.get("state"),
            created_after=query.get("created_after"),
            created_before=query.get("created_before"),
        )
        return cursor_paginate(notifications, request).response(lambda row: responses.NotificationResponse(row).data)


def _accepted(tenant: Tenant, body: dict[str, Any]) -> dict[str, Any]:
    notification = services.notification_create(tenant=tenant, data=draft_build(body))
    return dict(shared(responses.NotificationResponse).to_representation(notification))


class NotificationView(ApiView):
    required_scopes = {"GET": Scope.NOTIFICATIONS_READ}

    @documented(
        summary="Read a notification: its counts, its delays and why deliveries failed",
        responses={200: responses.NotificationDetailResponse},
        response_examples={200: examples.DETAIL},
    )
    def get(self, request: Request, notification_id: UUID) -> Response:
        tenant = caller_of(request).tenant
        notification = selectors.notification_get_for_tenant(tenant=tenant, notification_id=notification_id)
        tally = selectors.notification_tally(tenant=tenant, notification_id=notification_id)
        failures = selectors.notification_failures(tenant=tenant, notification=notification, tally=tally)
        return Response(responses.notification_detail_response(notification, tally, failures))


class DeliveriesView(ApiView):
    required_scopes = {"GET": Scope.NOTIFICATIONS_READ}

    @documented(
        summary="List a notification's deliveries, one for each device",
        description="Each with the reason of its state and an explanation for people.",
        query=DeliveryQuery,
        responses={200: responses.DeliveryPageResponse},
        response_examples={200: examples.DELIVERIES},
    )
    def get(self, request: Request, notification_id: UUID) -> Response:
        query = DeliveryQuery.read(request)
        tenant = caller_of(request).tenant
        selectors.notification_get_for_tenant(tenant=tenant, notification_id=notification_id)
        deliveries = selectors.delivery_list(tenant=tenant, notification_id=notification_id, state=query.get("state"))
        page = cursor_paginate(deliveries, request, key="id")
        devices = selectors.deliveries_devices(tenant=tenant, deliveries=page.items)
        explanations = selectors.deliveries_explain(tenant=tenant, deliveries=page.items, devices=devices)
        return page.response(
            lambda row: responses.delivery_response(row, devices.get(row.device_id), explanations[row.id])
        )


class NotificationCancelView(ApiView):
    required_scopes = {"POST": Scope.NOTIFICATIONS_WRITE}

    @documented(
        summary="Cancel the deliveries that are not sent yet",
        description="Repeating the request changes nothing. What the vendor has accepted stays sent.",
        responses={200: responses.NotificationResponse},
        response_examples={200: examples.CANCELLED},
        errors=[ErrorCode.CONFLICT],
    )
    def post(self, request: Request, notification_id: UUID) -> Response:
        tenant = caller_of(request).tenant
        notification = services.notification_cancel(tenant=tenant, notification_id=notification_id)
        return Response(responses.NotificationResponse(notification).data)


class NotificationRedriveView(ApiView):
    required_scopes = {"POST": Scope.NOTIFICATIONS_WRITE}

    @documented(
        summary="Queue the dead deliveries again",
        description=f"Each with all its retries again; {services.REDRIVE_CHUNK:,} at a time.",
        responses={200: responses.RedrivenResponse},
        response_examples={200: examples.REDRIVEN},
        errors=[ErrorCode.CONFLICT],
    )
    def post(self, request: Request, notification_id: UUID) -> Response:
        redriven = services.notification_redrive(tenant=caller_of(request).tenant, notification_id=notification_id)
        return Response({"redriven": redriven, "more": redriven == services.REDRIVE_CHUNK})
