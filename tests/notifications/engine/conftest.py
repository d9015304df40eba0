from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from devices.models import App, Device, EndpointState, Platform
from devices.sealing import credentials_seal, endpoint_hash, endpoint_seal
from notifications.models import Delivery, Notification
from tenants.models import EndUser, Tenant

Make = Callable[..., Any]


@pytest.fixture
def acme(db: None) -> Tenant:
    return Tenant.objects.create(slug="acme")


@pytest.fixture
def globex(db: None) -> Tenant:
    return Tenant.objects.create(slug="globex")


def app_make(tenant: Tenant, name: str = "web", url: str = "http://127.0.0.1:9") -> App:
    app, _ = App.objects.get_or_create(
        tenant=tenant,
        name=name,
        defaults={"provider": App.Provider.STUB, "credentials_sealed": credentials_seal({"url": url})},
    )
    return app


def devices_make(
    tenant: Tenant,
    count: int = 1,
    *,
    user: str | None = None,
    app: App | None = None,
    token: str = "stub:ok",
    **columns: Any,
) -> list[Device]:
    person = EndUser.objects.get_or_create(tenant=tenant, user_id=user)[0] if user else None
    columns = {"endpoint_state": EndpointState.ACTIVE, "platform": Platform.STUB, "secret_hash": b"\0" * 32} | columns
    return Device.objects.bulk_create(
        Device(
            tenant=tenant,
            device_id=(device_id := uuid.uuid4()),
            app=app or app_make(tenant),
            user=person,
            endpoint_sealed=endpoint_seal({"token": token}),
            endpoint_hash=endpoint_hash(str(device_id)),
            **columns,
        )
        for _ in range(count)
    )


def notification_make(tenant: Tenant, to: dict[str, Any], **columns: Any) -> Notification:
    """Not stored yet: `expansion_begin` does that."""
    columns = {
        "delivery_class": "transactional",
        "content": {"title": "Hello"},
        "ttl": 3600,
        "urgency": "normal",
        "state": "queued",
        "expires_at": timezone.now() + timedelta(hours=1),
    } | columns
    return Notification(tenant=tenant, to=to, **columns)


def states(notification: Notification) -> Counter[str]:
    return Counter(Delivery.objects.filter(notification=notification).values_list("state", flat=True))
