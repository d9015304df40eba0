from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import F
from django.utils import timezone

from devices.credentials import endpoint_open
from devices.models import App, Device, EndpointState
from notifications.engine.dispatcher import Dispatcher
from notifications.models import Delivery, Lane, Notification
from notifications.upkeep import ticks
from providers.errors import CredentialsPending
from providers.stub.provider import StubProvider
from providers.stub.server import StubServer, stub_server
from providers.types import Endpoint, Push
from tenants.models import Tenant
from tests.notifications.builders import app_make, dispatcher_make, sent_to, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def vendor() -> Iterator[StubServer]:
    with stub_server() as server:
        yield server


@pytest.fixture
def app(acme: Tenant, vendor: StubServer) -> App:
    vendor.received.clear()
    return app_make(acme, url=vendor.url)


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    dispatcher = dispatcher_make(window=64)
    yield dispatcher
    dispatcher.close()


def only(notification: Notification) -> Delivery:
    return Delivery.objects.get(notification=notification)


def test_waiting_for_credentials_is_no_attempt(
    app: App, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pending(**_: Any) -> None:
        raise CredentialsPending(code="ParameterPending", after=1.0)

    monkeypatch.setattr("notifications.engine.send.credentials_open", pending)
    notification = sent_to(app)
    dispatcher.run(seconds=0.5)
    row = only(notification)
    assert (row.state, row.reason, row.attempt) == ("queued", "credentials_pending", 0)


def test_slow_look_ups_send_nothing_back(app: App, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group takes longer to open than its mappings are valid."""
    opened = 0

    def slow(**sealed: Any) -> Endpoint:
        nonlocal opened
        opened += 1
        time.sleep(0.01)
        return endpoint_open(**sealed)

    monkeypatch.setattr("notifications.engine.send.endpoint_open", slow)
    notification = sent_to(app, count=32)
    dispatcher.run()
    assert (states(notification), opened) == ({"accepted": 32}, 32)


def test_a_database_lost_while_a_group_is_opened_loses_and_repeats_nothing(
    app: App, vendor: StubServer, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = 0

    def lost_once(**sealed: Any) -> Endpoint:
        nonlocal opened
        opened += 1
        if opened == 21:
            raise OperationalError
        return endpoint_open(**sealed)

    monkeypatch.setattr("notifications.engine.send.endpoint_open", lost_once)
    notification = sent_to(app, count=40)
    dispatcher.run()
    assert (states(notification), len(vendor.received)) == ({"accepted": 40}, 40)


def test_a_batch_that_cannot_be_prepared_together_is_sent_one_by_one(
    app: App, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise MemoryError

    monkeypatch.setattr(StubProvider, "prepare", broken)
    notification = sent_to(app, count=20)
    dispatcher.run()
    assert states(notification) == {"accepted": 20}


def test_deliveries_are_prepared_together(app: App, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[int] = []

    def watched(_: object, pushes: list[Push]) -> int:
        prepared.append(len(pushes))
        return 0

    monkeypatch.setattr(StubProvider, "prepare", watched)
    sent_to(app, count=40)
    dispatcher.run()
    assert (sum(prepared), max(prepared)) == (40, 16)


def test_due_deliveries_are_sent_and_accepted(app: App, vendor: StubServer, dispatcher: Dispatcher) -> None:
    notification = sent_to(app, count=3)
    assert dispatcher.run() is False
    assert states(notification) == {"accepted": 3}
    assert sorted(payload["pushhub"]["delivery"] for _, payload in vendor.received) == sorted(
        str(id_) for id_ in Delivery.objects.values_list("id", flat=True)
    )


def test_an_accepted_delivery_keeps_its_message_id_and_no_lease(app: App, dispatcher: Dispatcher) -> None:
    notification = sent_to(app)
    dispatcher.run()
    delivery = only(notification)
    assert delivery.provider_message_id != ""
    assert delivery.accepted_at is not None
    assert (delivery.attempt, delivery.lease, delivery.lease_expires_at) == (1, None, None)


@pytest.mark.parametrize(
    ("token", "state", "attempt"),
    [("stub:reject", "rejected", 1), ("stub:gone", "gone", 1), ("stub:retry", "queued", 1)],
)
def test_the_vendors_result_decides_the_state(
    app: App, dispatcher: Dispatcher, token: str, state: str, attempt: int
) -> None:
    notification = sent_to(app, token)
    dispatcher.run()
    assert (only(notification).state, only(notification).attempt) == (state, attempt)


def test_a_retry_respects_the_retry_after(app: App, dispatcher: Dispatcher) -> None:
    notification = sent_to(app, "stub:retry")
    begin = timezone.now()
    dispatcher.run()
    assert only(notification).due_at >= begin + timedelta(seconds=1)
    lane_due = Lane.objects.get(delivery_class="transactional").next_due_at
    assert lane_due is not None
    assert timedelta(0) <= lane_due - only(notification).due_at < timedelta(seconds=0.5)


def test_a_rate_is_kept_from_the_due_times_to_the_vendor(app: App, dispatcher: Dispatcher) -> None:
    notification = sent_to(app, count=30, rate=50)
    while "queued" in states(notification):
        dispatcher.run()
    due = Delivery.objects.filter(notification=notification).order_by("due_at")
    assert due[29].due_at - due[0].due_at == timedelta(seconds=29 / 50)
    assert due.filter(state="accepted", accepted_at__gte=F("due_at")).count() == 30


def test_a_gone_endpoint_marks_only_its_device(app: App, dispatcher: Dispatcher) -> None:
    sent_to(app, "stub:gone")
    sent_to(app)
    dispatcher.run()
    assert sorted(Device.objects.values_list("endpoint_state", flat=True)) == ["active", "gone"]


def test_misconfigured_pauses_the_app_and_keeps_its_deliveries(app: App, dispatcher: Dispatcher) -> None:
    notification = sent_to(app, "stub:misconfigured")
    dispatcher.run()
    app.refresh_from_db()
    assert app.state == "misconfigured"
    assert (only(notification).state, only(notification).attempt) == ("queued", 0)


def test_a_paused_app_is_skipped(app: App, vendor: StubServer, dispatcher: Dispatcher) -> None:
    App.objects.update(state="misconfigured")
    notification = sent_to(app)
    assert dispatcher.run() is False
    assert (states(notification), vendor.received) == ({"queued": 1}, [])


def test_an_unreadable_credential_pauses_the_app(app: App, dispatcher: Dispatcher) -> None:
    App.objects.update(credentials_sealed=None, version=2)
    notification = sent_to(app)
    dispatcher.run()
    app.refresh_from_db()
    assert (app.state, states(notification)) == ("misconfigured", {"queued": 1})


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ({"generation": 2}, "cancelled", "user_changed"),
        ({"deleted_at": timezone.now()}, "cancelled", "device_removed"),
        ({"endpoint_state": EndpointState.GONE}, "gone", "endpoint_gone"),
        ({"endpoint_state": EndpointState.DISABLED}, "gone", "endpoint_disabled"),
        ({"endpoint_state": EndpointState.PENDING}, "queued", "endpoint_pending"),
    ],
)
def test_a_claim_sees_changes_of_the_device(
    app: App, vendor: StubServer, dispatcher: Dispatcher, change: dict[str, Any], state: str, reason: str
) -> None:
    notification = sent_to(app)
    Device.objects.update(**change)
    dispatcher.run()
    assert (only(notification).state, only(notification).reason) == (state, reason)
    assert vendor.received == []


def test_a_delivery_waits_for_a_pending_endpoint(app: App, dispatcher: Dispatcher) -> None:
    notification = sent_to(app)
    Device.objects.update(endpoint_state=EndpointState.PENDING)
    dispatcher.run()
    assert only(notification).due_at > timezone.now()
    Device.objects.update(endpoint_state=EndpointState.ACTIVE)
    Delivery.objects.update(due_at=timezone.now())
    Lane.objects.update(next_due_at=timezone.now())
    dispatcher.run()
    assert (only(notification).state, only(notification).attempt) == ("accepted", 1)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"cancelled_at": timezone.now(), "state": "cancelled"}, "cancelled"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expired"),
    ],
)
def test_a_claim_sees_changes_of_the_notification(
    app: App, vendor: StubServer, dispatcher: Dispatcher, change: dict[str, Any], state: str
) -> None:
    notification = sent_to(app)
    Notification.objects.update(**change)
    dispatcher.run()
    assert (states(notification), vendor.received) == ({state: 1}, [])


def test_more_deliveries_than_the_window_has_places(app: App, dispatcher: Dispatcher) -> None:
    notification = sent_to(app, count=300)
    dispatcher.run()
    assert states(notification) == {"accepted": 300}


def test_counts_and_delays_are_folded_and_the_notification_completes_once(app: App, dispatcher: Dispatcher) -> None:
    notification = sent_to(app, count=3)
    sent_to(app, "stub:reject")
    dispatcher.run()
    ticks.second()
    notification.refresh_from_db()
    assert (notification.counts, notification.state) == ({"accepted": 3}, "completed")
    assert sum(notification.delays.values()) == 3
    assert notification.completed_at is not None
    assert ticks.completed_mark() == 0


def test_a_stop_gives_back_what_was_not_sent(app: App, vendor: StubServer, dispatcher: Dispatcher) -> None:
    notification = sent_to(app, count=100)
    assert dispatcher.run(stopping=lambda: len(vendor.received) > 0) is True
    found = states(notification)
    assert set(found) == {"accepted", "queued"}
    assert found["accepted"] == len(vendor.received)


def test_the_ttl_sent_is_the_time_that_is_left(
    app: App, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    provider = "providers.stub.provider.StubProvider.payload"

    def watched(_: object, push: Push) -> bytes:
        seen.append(push.ttl)
        return b"{}"

    monkeypatch.setattr(provider, watched)
    sent_to(app, expires_at=timezone.now() + timedelta(seconds=100))
    dispatcher.run()
    assert 95 <= seen[0] <= 100
