"""A shop with browsers at the sandbox's push service, whose responses are scripted for each browser."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.conf import LazySettings

from devices.models import App, Device, EndpointState, VapidKey
from devices.sealing import endpoint_hash, endpoint_seal
from notifications.expansion.expand import expansion_begin
from notifications.holds import detection
from notifications.holds.maintenance import holds_maintain
from notifications.holds.models import Hold
from notifications.models import Notification
from sandbox.testing import SandboxProcess
from tenants.models import Tenant
from tenants.services import TenantCreated
from tests.devices.conftest import _sandbox, sandbox
from tests.notifications.builders import dispatcher_make, notification_make

__all__ = ["_sandbox", "sandbox"]


@dataclass(frozen=True)
class Shop:
    tenant: Tenant
    app: App
    key: VapidKey
    sandbox: SandboxProcess

    @property
    def origin(self) -> str:
        """The push origin of the browsers without a host of their own."""
        return self.sandbox.url

    def browsers(
        self, count: int = 1, behaviour: str = "ok", *, own_host: bool = False, **columns: Any
    ) -> list[Device]:
        """`own_host`: at another origin, which leads to the same sandbox but refuses our credentials."""
        minted = self.sandbox.mint_web(count, application_server_key=self.key.public_key, behaviour=behaviour)
        addresses = [{"endpoint": made["endpoint"], **made["keys"]} for made in minted]
        if own_host:
            addresses = [{**made, "endpoint": made["endpoint"].replace("127.0.0.1", "localhost")} for made in addresses]
        return Device.objects.bulk_create(self._device(address) for address in addresses)

    def _device(self, address: dict[str, str]) -> Device:
        return Device(
            tenant=self.tenant,
            app=self.app,
            device_id=uuid.uuid4(),
            platform="web",
            secret_hash=b"\0" * 32,
            endpoint_state=EndpointState.ACTIVE,
            endpoint_sealed=endpoint_seal(address, provider="webpush"),
            endpoint_hash=endpoint_hash(address["endpoint"]),
            push_origin=address["endpoint"].partition("/push/")[0],
            vapid_key=self.key,
        )

    def send(self, browsers: Sequence[Device], **columns: Any) -> Notification:
        notification = notification_make(self.tenant, {"devices": [str(row.device_id) for row in browsers]}, **columns)
        expansion_begin(notification=notification)
        return notification

    def hold(self) -> Hold:
        return Hold.objects.get(tenant=self.tenant)


Open = Callable[[TenantCreated], Shop]
Work = Callable[[], None]
MANY = 20


@pytest.fixture
def shop(acme: TenantCreated, opened: Open) -> Shop:
    return opened(acme)


@pytest.fixture
def opened(sandbox: SandboxProcess, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Open:
    settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS = [ip_network("127.0.0.1/32"), ip_network("::1/128")]
    monkeypatch.setattr(detection, "DELAY", timedelta(0))
    monkeypatch.setattr("notifications.holds.gate.REFRESH_SECONDS", -1.0)

    def make(created: TenantCreated) -> Shop:
        app = App.objects.get(tenant=created.tenant, name="web")
        return Shop(created.tenant, app, VapidKey.objects.get(tenant=created.tenant), sandbox)

    return make


@pytest.fixture
def deliver() -> Iterator[Work]:
    """`deliver()` sends what is due. Inside the test's own transaction, on its connection."""
    dispatcher = dispatcher_make(window=64)

    def run() -> None:
        dispatcher.run(seconds=20)

    yield run
    dispatcher.close()


@pytest.fixture
def work(deliver: Work) -> Work:
    """`work()` sends what is due, then upkeep maintains the holds."""

    def run() -> None:
        deliver()
        holds_maintain()

    return run


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """MANY devices are enough for a gone spike."""
    monkeypatch.setattr(detection, "GONE_DEVICES", MANY)


@pytest.fixture
def gone_spike(few: None, shop: Shop, work: Work) -> Notification:
    """The push service answers 410 once for each of MANY browsers, and accepts what is sent after that."""
    notification = shop.send(shop.browsers(MANY, "sequence:410"))
    work()
    return notification
