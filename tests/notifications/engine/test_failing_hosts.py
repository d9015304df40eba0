"""Real hosts: one that accepts connections and never responds, one that is unavailable, and a healthy one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from devices.models import App
from notifications.engine.circuit_breaker import DEVICES
from notifications.engine.dispatcher import Dispatcher
from notifications.models import Delivery, Notification
from providers.stub.server import stub_server
from pushhub.kernel.backoff import Backoff
from tenants.models import Tenant
from tests.notifications.builders import app_make, dispatcher_make, sent_to, states

pytestmark = pytest.mark.django_db(transaction=True)

WINDOW = 16


@pytest.fixture
def healthy(acme: Tenant) -> Iterator[App]:
    with stub_server() as server:
        yield app_make(acme, url=server.url)


@pytest.fixture
def hanging(acme: Tenant) -> Iterator[App]:
    """The kernel accepts the connections, and no program reads them."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        app = app_make(acme, name="hanging", url=f"http://127.0.0.1:{server.getsockname()[1]}")
        App.objects.filter(id=app.id).update(region="elsewhere")
        yield app


@pytest.fixture
def dispatcher(settings: LazySettings) -> Iterator[Dispatcher]:
    settings.PUSHHUB_SEND_SECONDS = 3.0
    dispatcher = dispatcher_make(window=WINDOW)
    yield dispatcher
    dispatcher.close()


def tried(notification: Notification) -> int:
    return Delivery.objects.filter(notification=notification, attempt__gt=0).count()


def test_a_hanging_host_does_not_delay_other_hosts(healthy: App, hanging: App, dispatcher: Dispatcher) -> None:
    """More deliveries than the window has places, the hanging host's first; the run ends long before their timeouts."""
    hung = sent_to(hanging, count=WINDOW * 3)
    others = sent_to(healthy, count=WINDOW * 8)
    dispatcher.run(seconds=0.2)
    assert states(others) == {"accepted": WINDOW * 8}
    assert states(hung) == {"queued": WINDOW * 3}
    assert tried(hung) <= WINDOW


def test_waiting_for_an_unavailable_host_spends_no_attempts(healthy: App, dispatcher: Dispatcher) -> None:
    away = app_make(healthy.tenant, name="away", url="http://127.0.0.1:9")
    App.objects.filter(id=away.id).update(region="elsewhere")
    waiting = sent_to(away, count=100)
    others = sent_to(healthy, count=10)
    dispatcher.run(seconds=1.0)
    assert (states(waiting), states(others)) == ({"queued": 100}, {"accepted": 10})
    assert DEVICES <= tried(waiting) <= 40


def test_a_host_is_served_again_when_it_is_available(
    acme: Tenant, healthy: App, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.engine.circuit_breaker.PROBES", Backoff(base=0.1, cap=60.0))
    monkeypatch.setattr("notifications.engine.retry.BACKOFF", Backoff(base=0.05, cap=600.0))
    app = app_make(acme, name="away", url="http://127.0.0.1:9")
    waiting = sent_to(app, count=60)
    dispatcher.run()
    assert states(waiting) == {"queued": 60}
    App.objects.filter(id=app.id).update(credentials_sealed=healthy.credentials_sealed, version=2)
    deadline = time.monotonic() + 60
    while states(waiting) != {"accepted": 60}:
        assert time.monotonic() < deadline
        dispatcher.run()
        time.sleep(0.02)
    assert Delivery.objects.filter(notification=waiting, attempt__gt=2).count() <= 10
