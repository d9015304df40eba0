"""Devices change their user while a broadcast to them is running."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.models import F
from typing_extensions import override

from devices.handover import handover_finish
from devices.models import Device
from notifications.engine.claim import claim
from notifications.engine.types import ClaimedDelivery
from notifications.engine.window import InFlightWindow
from notifications.expansion.expand import expansion_begin
from notifications.models import Delivery
from outgoing.types import HttpRequest
from providers.stub.server import StubServer, stub_server
from tenants.models import EndUser, Tenant
from tests.notifications.builders import app_make, devices_make, dispatcher_make, notification_make, states

pytestmark = pytest.mark.django_db(transaction=True)

DEVICES = 600
HANDS = 8  # devices that change their user at the same time


@pytest.fixture
def vendor() -> Iterator[StubServer]:
    with stub_server() as server:
        yield server


@pytest.fixture
def encrypted(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """When each mapping's payload was submitted."""
    made: dict[str, float] = {}
    submit = InFlightWindow.submit

    def watched(self: InFlightWindow, delivery: ClaimedDelivery, request: HttpRequest) -> None:
        made[delivery.mapping_id] = time.monotonic()
        submit(self, delivery, request)

    monkeypatch.setattr(InFlightWindow, "submit", watched)
    return made


class HandOver(Thread):
    """Gives one device after another to bob, as a registration does. `answered`: when the old mapping had ended."""

    def __init__(self, devices: list[Device], bob: EndUser) -> None:
        super().__init__()
        self.devices = random.sample(devices, len(devices))
        self.bob = bob
        self.answered: dict[str, float] = {}

    @override
    def run(self) -> None:
        for device in self.devices:
            change: dict[str, Any] = {"user": self.bob, "generation": F("generation") + 1, "mapping_id": uuid4()}
            with transaction.atomic():
                Device.objects.filter(pk=device.pk).update(**change)
                handover_finish()
            self.answered[str(device.mapping_id)] = time.monotonic()
        connection.close()


def test_no_payload_for_the_previous_user_is_sent_after_the_change_was_answered(
    acme: Tenant, vendor: StubServer, encrypted: dict[str, float]
) -> None:
    devices = devices_make(acme, DEVICES, user="alice", app=app_make(acme, url=vendor.url))
    bob = EndUser.objects.create(tenant=acme, user_id="bob")
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    dispatcher = dispatcher_make(window=64)
    changes = [HandOver(devices[hand::HANDS], bob) for hand in range(HANDS)]
    for change in changes:
        change.start()
    dispatcher.run()
    for change in changes:
        change.join()
    dispatcher.close()
    answered = {mapping: at for change in changes for mapping, at in change.answered.items()}
    late = [mapping for mapping, at in encrypted.items() if at > answered[mapping]]
    assert late == []
    found = states(notification)
    assert found["accepted"] == len(encrypted)
    assert found["cancelled"] > 0 < found["accepted"]
    assert set(Delivery.objects.filter(state="cancelled").values_list("reason", flat=True)) == {"user_changed"}


def test_a_claimed_delivery_is_checked_again_before_encryption(
    acme: Tenant, vendor: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (device,) = devices_make(acme, user="alice", app=app_make(acme, url=vendor.url))
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)

    def claim_then_change(**columns: Any) -> Any:
        claimed = claim(**columns)
        Device.objects.filter(pk=device.pk).update(generation=2)
        return claimed

    monkeypatch.setattr("notifications.engine.claim.claim", claim_then_change)
    dispatcher = dispatcher_make(window=64)
    dispatcher.run()
    dispatcher.close()
    assert (states(notification), vendor.received) == ({"cancelled": 1}, [])
