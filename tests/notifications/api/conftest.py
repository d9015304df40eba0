from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import App, Device, EndpointState
from devices.sealing import endpoint_hash, endpoint_seal
from notifications.models import Delivery, Lane, Notification
from providers.webpush.base64url import b64url
from tenants.models import EndUser, Tenant
from tenants.services import TenantCreated


@pytest.fixture
def backend(acme: TenantCreated, client_for: Any) -> APIClient:
    """Acme's backend."""
    client: APIClient = client_for(acme)
    return client


def device_make(tenant: Tenant, *, user: str | None = None, **columns: Any) -> Device:
    person = EndUser.objects.get_or_create(tenant=tenant, user_id=user)[0] if user else None
    columns = {"endpoint_state": EndpointState.ACTIVE, "platform": "web", "secret_hash": b"\0" * 32} | columns
    device_id = uuid.uuid4()
    return Device.objects.create(
        tenant=tenant,
        device_id=device_id,
        app=App.objects.get(tenant=tenant, name="web"),
        user=person,
        endpoint_sealed=endpoint_seal(
            {"endpoint": "https://push.example/x", "p256dh": b64url(b"p" * 65), "auth": b64url(b"a" * 16)},
            provider="webpush",
        ),
        endpoint_hash=endpoint_hash(str(device_id)),
        **columns,
    )


def sns_app_make(tenant: Tenant, sns_platform: str) -> App:
    return App.objects.create(
        tenant=tenant,
        name=sns_platform.lower(),
        provider="sns",
        sns_platform=sns_platform,
        platform_application_arn=f"arn:aws:sns:eu-west-1:123456789012:app/{sns_platform}/acme",
        region="eu-west-1",
    )


def notification_make(tenant: Tenant, **columns: Any) -> Notification:
    columns = {
        "delivery_class": "transactional",
        "to": {"users": ["alice"]},
        "content": {"title": "Hello"},
        "ttl": 3600,
        "urgency": "normal",
        "state": "sending",
        "expires_at": timezone.now() + timedelta(hours=1),
    } | columns
    return Notification.objects.create(tenant=tenant, **columns)


def delivery_make(notification: Notification, device: Device, **columns: Any) -> Delivery:
    lane, _ = Lane.objects.get_or_create(
        tenant=notification.tenant, app=device.app, delivery_class=notification.delivery_class
    )
    return Delivery.objects.create(
        tenant=notification.tenant,
        notification=notification,
        device=device,
        lane=lane,
        **({"generation": device.generation, "due_at": timezone.now()} | columns),
    )
