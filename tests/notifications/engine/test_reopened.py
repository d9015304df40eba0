"""A notification whose deliveries are queued again is not completed at the same time."""

from __future__ import annotations

import threading

import pytest

from events.models import Event
from notifications import services
from notifications.expansion.expand import expansion_begin
from notifications.models import CountDelta, Delivery, Notification
from notifications.services import notification_redrive
from notifications.upkeep import ticks
from tenants.models import Tenant
from tests.notifications.builders import devices_make, notification_make
from tests.threads import in_the_background

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ended(acme: Tenant) -> Notification:
    """One delivery accepted, one dead, and upkeep has counted them; it has not completed the notification yet."""
    devices_make(acme, 2, user="alice")
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    accepted, dead = Delivery.objects.all()
    Delivery.objects.filter(id=accepted.id).update(state="accepted")
    Delivery.objects.filter(id=dead.id).update(state="dead")
    CountDelta.objects.create(notification_id=notification.id, counts={"queued": -2, "accepted": 1, "dead": 1})
    ticks.deltas_fold()
    return notification


def redrive(notification: Notification) -> None:
    notification_redrive(tenant=notification.tenant, notification_id=notification.id)


def assert_open(notification: Notification) -> None:
    notification.refresh_from_db()
    assert (notification.state, notification.counts) == ("sending", {"accepted": 1, "queued": 1})
    assert not Event.objects.filter(type="notification.completed").exists()


def test_a_redrive_between_counting_and_completing(ended: Notification) -> None:
    redrive(ended)
    ticks.completed_mark()
    assert_open(ended)


def test_a_redrive_while_the_notification_is_completed(ended: Notification, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, marked = threading.Event(), threading.Event()

    def wake(*_: object) -> None:
        inside.set()
        marked.wait(10)

    monkeypatch.setattr(services, "wake", wake)
    redriving = in_the_background(lambda: redrive(ended))
    assert inside.wait(10)
    completing = in_the_background(ticks.completed_mark)
    completing.join(0.5)
    marked.set()
    redriving.join()
    completing.join()
    assert_open(ended)


def test_a_completed_notification_completes_again(ended: Notification) -> None:
    ticks.completed_mark()
    redrive(ended)
    again = Notification.objects.get(id=ended.id)
    assert (again.state, again.completed_at) == ("sending", None)
    Delivery.objects.filter(state="queued").update(state="accepted")
    CountDelta.objects.create(notification_id=ended.id, counts={"queued": -1, "accepted": 1})
    ticks.second()
    ended.refresh_from_db()
    assert (ended.state, ended.counts) == ("completed", {"accepted": 2})
