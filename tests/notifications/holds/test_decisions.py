"""An operator decides while workers and upkeep run: they do not wait, and every delivery is found."""

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
    """Its deliveries have ended, because their devices were reported as gone."""
    devices_make(acme.tenant, DEVICES, user="alice", app=app_make(acme.tenant, "stub"), push_origin="stub")
    notification = notification_make(acme.tenant, {"users": ["alice"]})
    expansion_begin(notification=notification)
    Delivery.objects.update(state="gone")
    Device.objects.update(endpoint_state="gone")
    CountDelta.objects.create(notification_id=notification.id, counts={"queued": -DEVICES, "gone": DEVICES})
    return notification


@pytest.fixture
def hold(notification: Notification, monkeypatch: pytest.MonkeyPatch) -> Hold:
    """The hold for that gone spike, which has restored nothing yet."""
    monkeypatch.setattr(detection, "DELAY", timedelta(0))
    app = app_make(notification.tenant, "stub")
    place: dict[str, Any] = {"tenant": app.tenant, "app": app, "push_origin": "stub"}
    SuspectOutcome.objects.bulk_create(
        SuspectOutcome(**place, kind="gone", reason="410", device_id=row.device_id, token_version=1, delivery_id=row.id)
        for row in Delivery.objects.all()
    )
    execute(sql.LANES_ENSURE, {"tenant": app.tenant_id, "app": app.id, "origin": "stub"})
    return Hold.objects.create(**place, kind="gone_spike", reason="410", app_version=1)


class Paused:
    """A function that waits after its work, until the test lets it return."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self.reached, self.proceed = threading.Event(), threading.Event()
        self._real = getattr(module, name)
        monkeypatch.setattr(module, name, self)

    def __call__(self, **named: Any) -> Any:
        done = self._real(**named)
        self.reached.set()
        self.proceed.wait(10)
        return done


def test_what_is_restored_during_a_decision_is_released_too(
    notification: Notification, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking = Paused(monkeypatch, maintenance, "endpoints_suspect")
    upkeep = in_the_background(holds_maintain)
    assert taking.reached.wait(10)
    operator = in_the_background(lambda: hold_release(hold=hold, by="olga"))
    time.sleep(0.3)
    taking.proceed.set()
    upkeep.join()
    operator.join()
    for _ in range(3):
        holds_maintain()
    assert set(Device.objects.values_list("endpoint_state", flat=True)) == {"active"}
    assert set(Delivery.objects.values_list("lane__push_origin", flat=True)) == {""}
    assert states(notification) == {"queued": DEVICES}


def test_a_worker_diverts_deliveries_during_a_decision(
    notification: Notification, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds_maintain()
    deciding = Paused(monkeypatch, services, "endpoints_trust")
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
    deciding.proceed.set()
    operator.join()
    assert waited < 5


def test_two_operators_cannot_decide_at_the_same_time(
    notification: Notification, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds_maintain()
    deciding = Paused(monkeypatch, services, "endpoints_trust")
    operator = in_the_background(lambda: hold_release(hold=hold, by="olga"))
    assert deciding.reached.wait(10)
    with pytest.raises(ApiError, match="is deciding about this hold"):
        hold_confirm(hold=hold, by="otto")
    deciding.proceed.set()
    operator.join()
    assert set(Device.objects.values_list("endpoint_state", flat=True)) == {"active"}


def test_an_interrupted_decision_can_be_repeated(
    notification: Notification, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds_maintain()
    monkeypatch.setattr(services, "hold_end", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hold_release(hold=hold, by="olga")
    monkeypatch.undo()
    hold_release(hold=hold, by="olga")
    assert (Hold.objects.get().released_by, Device.objects.filter(endpoint_state="active").count()) == ("olga", DEVICES)
