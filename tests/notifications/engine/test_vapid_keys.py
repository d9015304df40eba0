"""Subscriptions that did not name their VAPID key: each key that is not retired is tried once."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from devices.models import App, Device, VapidKey
from notifications.expansion.expand import expansion_begin
from notifications.models import Delivery, Notification
from providers.base import MisconfiguredScope
from providers.stub.provider import StubProvider
from providers.stub.server import StubServer, stub_server
from providers.stub.types import StubCredentials, StubEndpoint
from providers.types import Credentials, Endpoint
from providers.webpush.keys import VapidKeys
from tenants.models import Tenant
from tests.notifications.builders import app_make, devices_make, dispatcher_make, notification_make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def vendor() -> Iterator[StubServer]:
    with stub_server() as server:
        yield server


class KeyedStub(StubProvider):
    """The stub, with apps that have several keys."""

    name = "webpush"
    misconfigured_scope = MisconfiguredScope.ORIGIN
    keys = VapidKeys()


@pytest.fixture
def keys(acme: Tenant, vendor: StubServer, monkeypatch: pytest.MonkeyPatch) -> list[VapidKey]:
    """Two keys, oldest first, of a vendor that accepts only the older one."""
    app = app_make(acme)
    App.objects.update(provider="webpush")
    older, newer = (
        VapidKey.objects.create(tenant=acme, app=app, public_key=str(n), private_key_sealed=b"", sub="mailto:a@b.test")
        for n in range(2)
    )
    used: list[UUID] = []

    def credentials(*, app_id: UUID, version: int, vapid_key_id: UUID) -> Credentials:
        used.append(vapid_key_id)
        return StubCredentials(url=vendor.url)

    def endpoint(**_: object) -> Endpoint:
        return StubEndpoint(token="stub:ok" if used and used[-1] == older.pk else "stub:misconfigured")

    provider = KeyedStub()
    monkeypatch.setattr("notifications.engine.send.credentials_open", credentials)
    monkeypatch.setattr("notifications.engine.send.endpoint_open", endpoint)
    monkeypatch.setattr("notifications.engine.lanes.provider_get", lambda _: provider)
    return [older, newer]


def sent(tenant: Tenant, key: VapidKey | None) -> Notification:
    (device,) = devices_make(tenant, vapid_key=key)
    notification = notification_make(tenant, {"devices": [str(device.device_id)]})
    expansion_begin(notification=notification)
    dispatcher = dispatcher_make(window=8)
    dispatcher.run()
    dispatcher.close()
    return notification


def test_the_key_that_the_push_service_accepts_is_stored(acme: Tenant, keys: list[VapidKey]) -> None:
    sent(acme, None)
    assert Delivery.objects.get().state == "accepted"
    assert Device.objects.get().vapid_key == keys[0]


def test_a_stored_key_is_not_replaced(acme: Tenant, keys: list[VapidKey]) -> None:
    sent(acme, keys[1])
    assert Delivery.objects.get().state == "rejected"
    assert Device.objects.get().vapid_key == keys[1]
