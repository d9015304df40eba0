"""An operator decides while workers and upkeep go on: nobody waits for it, and nothing is left behind."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from devices.models import Device
from notifications.engine.session import execute
from notifications.expansion.expand import expansion_begin
from notifications.holds import detection, maintenance, services, sql
from notifications.holds.maintenance import holds_maintain
from notifications.holds.models import Hold, SuspectOutcome
from notifications.holds.services import hold_confirm, hold_release
from notifications.models import CountDelta, Delivery, Notification
from pushhub.kernel.errors import ApiError
from tenants.services import TenantCreated
from tests.notifications.builders import app_make, devices_make, notification_make, states
from tests.threads import in_the_background

pytestmark = pytest.mark.django_db(transaction=True)
DEVICES = 5


@pytest.fixture
def notification(acme: TenantCreated) -> Notification:
    """Its deliveries ended, for their devices were said to be gone."""
    devices_make(acme.tenant, DEVICES, user="alice", app=app_make(acme.tenant, "stub"), push_origin="stub")
    notification = notification_make(acme.tenant, {"users": ["alice"]})
    expansion_begin(notification=notification)
    Delivery.objects.update(state="gone")
    Device.objects.update(endpoint_state="gone")
    CountDelta.objects.create(notification_id=notification.id, counts={"queued": -DEVICES, "gone": DEVICES})
    return notification


@pytest.fixture
def hold(notification: Notification, monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Of the gone spike that this was; it has taken nothing back yet."""
    monkeypatch.setattr(detection, "DELAY", timedelta(0))
    app = app_make(notification.tenant, "stub")
    place: dict[str, Any] = {"tenant": app.tenant, "app": app, "push_origin": "stub"}
    SuspectOutcome.objects.bulk_create(
        SuspectOutcome(**place, kind="gone", reason="410", device_id=row.device_id, token_version=1, delivery_id=row.id)
        for row in Delivery.objects.all()
    )
    execute(sql.LANES_ENSURE, {"tenant": app.tenant_id, "app": app.id, "origin": "stub"})
    return Hold.objects.create(**place, kind="gone_spike", reason="410", app_version=1)


class Stopped:
    """A function that stops after its work, until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: Any, name: str) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._real = getattr(room, name)
        monkeypatch.setattr(room, name, self)

    def __call__(self, **named: Any) -> Any:
        done = self._real(**named)
        self.reached.set()
        self.go_on.wait(10)
        return done


def test_what_is_taken_back_meanwhile_is_released_too(
    notification: Notification, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking = Stopped(monkeypatch, maintenance, "endpoints_suspect")
    upkeep = in_the_background(holds_maintain)
    assert taking.reached.wait(10)
    operator = in_the_background(lambda: hold_release(hold=hold, by="olga"))
    time.sleep(0.3)
    taking.go_on.set()
    upkeep.join()
    operator.join()
    for _ in range(3):
        holds_maintain()
    assert set(Device.objects.values_list("endpoint_state", flat=True)) == {"active"}
    assert set(Delivery.objects.values_list("lane__push_origin", flat=True)) == {""}
    assert states(notification) == {"queued": DEVICES}


def test_a_worker_puts_away_what_is_held_while_somebody_decides(
    notification: Notification, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds_maintain()
    deciding = Stopped(monkeypatch, services, "endpoints_trust")
    operator = in_the_background(lambda: hold_release(hold=hold, by="olga"))
    assert deciding.reached.wait(10)
    claimed, lease = Delivery.objects.all()[0], uuid4()
    Delivery.objects.filter(id=claimed.id).update(state="sending", lease=lease)
    delivery = {
        "holds": [hold.id],
        "ids": [claimed.id],
        "leases": [lease],
        "hold_of": [hold.id],
        "claimed": ["sending"],
        "reason": "held",
    }
    began = time.monotonic()
    assert execute(sql.DIVERT, delivery) == [(claimed.id,)]
    waited = time.monotonic() - began
    deciding.go_on.set()
    operator.join()
    assert waited < 5


def test_two_do_not_decide_at_once(notification: Notification, hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    holds_maintain()
    deciding = Stopped(monkeypatch, services, "endpoints_trust")
    operator = in_the_background(lambda: hold_release(hold=hold, by="olga"))
    assert deciding.reached.wait(10)
    with pytest.raises(ApiError, match="is deciding about this hold"):
        hold_confirm(hold=hold, by="otto")
    deciding.go_on.set()
    operator.join()
    assert set(Device.objects.values_list("endpoint_state", flat=True)) == {"active"}


def test_a_decision_that_broke_off_is_made_again(
    notification: Notification, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds_maintain()
    monkeypatch.setattr(services, "hold_end", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hold_release(hold=hold, by="olga")
    monkeypatch.undo()
    hold_release(hold=hold, by="olga")
    assert (Hold.objects.get().released_by, Device.objects.filter(endpoint_state="active").count()) == ("olga", DEVICES)
