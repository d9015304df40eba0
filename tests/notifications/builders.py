"""Rows and objects for tests of the engine, of holds and of upkeep."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from devices.models import App, Device, EndpointState
from devices.sealing import credentials_seal, endpoint_hash, endpoint_seal
from notifications.engine.dispatcher import Dispatcher
from notifications.engine.types import AppVersion, ClaimedDelivery, NotificationSnapshot, PickedLane
from notifications.expansion.expand import expansion_begin
from notifications.holds.gate import HoldGate
from notifications.models import Delivery, Lane, Notification
from providers.registry import provider_get
from tenants.models import EndUser, Tenant


def app_make(tenant: Tenant, name: str = "web", url: str = "http://127.0.0.1:9") -> App:
    app, _ = App.objects.get_or_create(
        tenant=tenant,
        name=name,
        defaults={"provider": "stub", "credentials_sealed": credentials_seal({"url": url})},
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
    columns = {"endpoint_state": EndpointState.ACTIVE, "platform": "stub", "secret_hash": b"\0" * 32} | columns
    return Device.objects.bulk_create(
        Device(
            tenant=tenant,
            device_id=(device_id := uuid.uuid4()),
            app=app or app_make(tenant),
            user=person,
            endpoint_sealed=endpoint_seal({"token": token}, provider="stub"),
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


def lane_make(tenant: Tenant, delivery_class: str = "bulk", *, due_in: float | None = -1, app: str = "web") -> Lane:
    due = None if due_in is None else timezone.now() + timedelta(seconds=due_in)
    return Lane.objects.create(tenant=tenant, app=app_make(tenant, app), delivery_class=delivery_class, next_due_at=due)


def claimed_make(
    *, device_id: int = 1, host: str = "https://push.example", provider: str = "webpush"
) -> ClaimedDelivery:
    return ClaimedDelivery(
        id=uuid4(),
        lease=uuid4(),
        lane=PickedLane(1, uuid4(), AppVersion(uuid4(), 1, provider_get(provider), "", "")),
        snapshot=NotificationSnapshot(uuid4(), uuid4(), False, 3600, 2_000.0, 0.0),
        attempt=0,
        device_id=device_id,
        generation=1,
        token_version=1,
        mapping_id=str(uuid4()),
        host=host,
        sealed=b"",
        endpoint_arn="",
        vapid_key_id=None,
        deadline=0.0,
    )


def sent_to(app: App, token: str = "stub:ok", count: int = 1, **columns: Any) -> Notification:
    """A notification to `count` new devices whose vendor answers as the token says."""
    devices = devices_make(app.tenant, count, app=app, token=token)
    notification = notification_make(app.tenant, {"devices": [str(device.device_id) for device in devices]}, **columns)
    expansion_begin(notification=notification)
    return notification


def dispatcher_make(*, window: int | None = None) -> Dispatcher:
    """As a worker makes it. To be closed."""
    return Dispatcher(gate=HoldGate(), window=window)
