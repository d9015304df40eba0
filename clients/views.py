"""The demo page: a browser subscribes, sends itself a push and shows the states of the deliveries.

These views act as a tenant's own backend. They mint a user token and send notifications, which a page must never be
able to do. They exist in run, demo and test settings only, where the server listens on this machine alone.
"""

import json
from uuid import UUID

from django.contrib.staticfiles import finders
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from clients.demo import DEMO_USERS, demo_tenant, sandbox_url
from notifications import selectors, services
from notifications.drafts import NotificationDraft
from providers.types import Urgency
from tenants.services import user_token_mint


@require_GET
def demo_page(request: HttpRequest) -> HttpResponse:
    return render(request, "clients/demo.html", {"users": DEMO_USERS, "sandbox_url": sandbox_url()})


@require_GET
def worker_script(_: HttpRequest, name: str) -> FileResponse:
    """Served under /demo/, because the folder of a service worker is its scope."""
    path = finders.find(f"pushhub/{name}")
    if path is None:
        raise Http404
    return FileResponse(open(path, "rb"), content_type="text/javascript; charset=utf-8")


@require_POST
def demo_token(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"token": user_token_mint(tenant=demo_tenant(), user_id=_user(request))})


@require_POST
def demo_send(request: HttpRequest) -> JsonResponse:
    content = {
        "title": "Hello from pushhub",
        "body": "This push was sent by the demo page.",
        "url": request.build_absolute_uri("/demo/"),
    }
    draft = NotificationDraft(to={"users": [_user(request)]}, content=content, ttl=600, urgency=Urgency.HIGH)
    notification = services.notification_create(tenant=demo_tenant(), data=draft)
    return JsonResponse({"id": str(notification.id)}, status=202)


@require_GET
def demo_notification(_: HttpRequest, notification_id: UUID) -> JsonResponse:
    tenant = demo_tenant()
    notification = selectors.notification_get_for_tenant(tenant=tenant, notification_id=notification_id)
    deliveries = list(selectors.delivery_list(tenant=tenant, notification_id=notification_id)[:20])
    devices = selectors.deliveries_devices(tenant=tenant, deliveries=deliveries)
    explanations = selectors.deliveries_explain(tenant=tenant, deliveries=deliveries, devices=devices)
    states = [
        {
            "device_id": str(devices[row.device_id].device_id),
            "state": row.state,
            "reason": row.reason,
            "explanation": explanations[row.id].what,
        }
        for row in deliveries
        if row.device_id in devices  # an erased device has no public id
    ]
    return JsonResponse({"id": str(notification.id), "state": notification.state, "deliveries": states})


def _user(request: HttpRequest) -> str:
    """A user of the demo. This page mints tokens for no other user."""
    try:
        user = json.loads(request.body)["user"]
    except (ValueError, KeyError, TypeError) as error:
        raise Http404 from error
    if user not in DEMO_USERS:
        raise Http404
    return str(user)
