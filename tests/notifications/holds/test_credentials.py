"""Refused credentials of an (app, push origin): held, probed, released by the first success; and abuse of that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from devices.services import app_verify, vapid_key_rotate
from events.models import Event
from notifications.holds.detection import REFUSED_DEVICES
from notifications.holds.maintenance import holds_maintain
from notifications.holds.models import Hold
from notifications.models import Delivery, Notification
from notifications.services import notification_cancel
from notifications.upkeep import ticks
from tenants.services import TenantCreated
from tests.notifications.builders import states
from tests.notifications.holds.conftest import Open, Shop, Work

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(shop: Shop, work: Work) -> Notification:
    """A notification to enough browsers for a hold. The push service refuses each once, and accepts the next time."""
    notification = shop.send(shop.browsers(REFUSED_DEVICES, "sequence:403"))
    work()
    return notification


def probe_now(hold: Hold) -> None:
    Hold.objects.filter(id=hold.id).update(probe_at=timezone.now())
    holds_maintain()


def test_refused_deliveries_are_restored_and_spend_no_attempt(shop: Shop, held: Notification) -> None:
    assert states(held) == {"queued": REFUSED_DEVICES}
    assert set(Delivery.objects.values_list("reason", "attempt")) == {("held", 0)}
    assert (shop.hold().kind, shop.hold().push_origin, shop.hold().released_at) == ("credentials", shop.origin, None)


def test_the_notification_stays_open_and_its_counts_are_right(held: Notification) -> None:
    ticks.second()
    held.refresh_from_db()
    assert (held.state, held.counts) == ("sending", {"queued": REFUSED_DEVICES})


def test_a_completed_notification_is_open_again(shop: Shop, deliver: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    notification = shop.send(shop.browsers(REFUSED_DEVICES, "forbidden"))
    deliver()
    monkeypatch.setattr(ticks, "holds_maintain", lambda: None)
    ticks.second()
    notification.refresh_from_db()
    assert notification.state == "completed"
    holds_maintain()
    notification.refresh_from_db()
    assert (notification.state, notification.completed_at) == ("sending", None)


def test_operator_and_tenant_get_an_event(shop: Shop, held: Notification) -> None:
    event = Event.objects.get(tenant=shop.tenant, type="app.held")
    assert (event.notice, event.subject) == (True, str(shop.app.id))
    assert event.data == {"kind": "credentials", "push_origin": shop.origin, "reason": "vapid_key_mismatch"}


def test_later_deliveries_are_held_too(shop: Shop, held: Notification, work: Work) -> None:
    Hold.objects.update(probe_at=timezone.now() + timedelta(hours=1))
    later = shop.send(shop.browsers(3))
    work()
    assert states(later) == {"queued": 3}
    assert shop.sandbox.messages() == []


def test_the_first_success_releases_the_hold(shop: Shop, held: Notification, work: Work) -> None:
    probe_now(shop.hold())
    work()
    assert states(held) == {"accepted": 1, "queued": REFUSED_DEVICES - 1}
    holds_maintain()
    work()
    assert states(held) == {"accepted": REFUSED_DEVICES}
    assert (shop.hold().outcome, shop.hold().drained_at is None) == ("resumed", False)
    assert Event.objects.filter(tenant=shop.tenant, type="app.released").count() == 1


def test_a_probe_is_of_a_browser_that_was_not_refused(shop: Shop, work: Work) -> None:
    shop.send(shop.browsers(REFUSED_DEVICES, "forbidden"))
    work()
    other = shop.send(shop.browsers())
    work()
    probe_now(shop.hold())
    work()
    assert states(other) == {"accepted": 1}


def test_refused_probes_become_less_frequent(shop: Shop, work: Work) -> None:
    notification = shop.send(shop.browsers(REFUSED_DEVICES, "forbidden"))
    work()
    waits = []
    for _ in range(8):
        probe_now(shop.hold())
        work()
        waits.append(shop.hold().probe_wait)
    assert waits == [4, 8, 16, 32, 64, 120, 120, 120]
    assert states(notification) == {"queued": REFUSED_DEVICES}


@pytest.mark.parametrize("repair", ["verify", "rotate"])
def test_a_repair_starts_a_probe_at_once(shop: Shop, held: Notification, work: Work, repair: str) -> None:
    Hold.objects.update(probe_at=timezone.now() + timedelta(hours=1))
    if repair == "verify":
        app_verify(tenant=shop.tenant, app=shop.app)
    else:
        vapid_key_rotate(tenant=shop.tenant, app=shop.app)
    holds_maintain()
    work()
    holds_maintain()
    work()
    assert states(held) == {"accepted": REFUSED_DEVICES}


def test_held_deliveries_expire(shop: Shop, work: Work) -> None:
    notification = shop.send(shop.browsers(REFUSED_DEVICES, "forbidden"))
    work()
    Delivery.objects.update(due_at=timezone.now())
    holds_maintain()
    assert states(notification) == {"expired": REFUSED_DEVICES}
    assert set(Delivery.objects.values_list("reason", flat=True)) == {"held"}


def test_a_released_delivery_remembers_the_hold_until_it_is_sent(shop: Shop, held: Notification, work: Work) -> None:
    probe_now(shop.hold())
    work()
    holds_maintain()
    assert set(Delivery.objects.filter(state="queued").values_list("reason", flat=True)) == {"held"}
    work()
    assert set(Delivery.objects.values_list("state", "reason")) == {("accepted", "")}


def test_held_deliveries_can_be_cancelled(shop: Shop, held: Notification) -> None:
    notification_cancel(tenant=shop.tenant, notification_id=held.id)
    ticks.second()
    assert states(held) == {"cancelled": REFUSED_DEVICES}


def test_one_success_prevents_a_hold(shop: Shop, work: Work) -> None:
    notification = shop.send([*shop.browsers(REFUSED_DEVICES * 2, "forbidden"), *shop.browsers()])
    work()
    assert not Hold.objects.exists()
    assert states(notification) == {"rejected": REFUSED_DEVICES * 2, "accepted": 1}


def test_one_hostile_browser_causes_no_hold(shop: Shop, work: Work) -> None:
    (hostile,) = shop.browsers(1, "forbidden")
    for _ in range(REFUSED_DEVICES * 2):
        shop.send([hostile])
    work()
    fine = shop.send(shop.browsers())
    work()
    assert (Hold.objects.count(), states(fine)) == (0, {"accepted": 1})


def test_many_hostile_browsers_cause_a_hold_of_their_own_origin_only(
    shop: Shop, globex: TenantCreated, opened: Open, work: Work
) -> None:
    attack = shop.send(shop.browsers(REFUSED_DEVICES, own_host=True))
    work()
    assert shop.hold().push_origin != shop.origin
    other = opened(globex)
    fine, elsewhere = shop.send(shop.browsers(5)), other.send(other.browsers(5))
    same_origin = other.send(other.browsers(1, own_host=True))
    work()
    assert (states(attack), states(fine), states(elsewhere)) == ({"queued": 20}, {"accepted": 5}, {"accepted": 5})
    assert states(same_origin) == {"rejected": 1}


def test_an_attack_on_a_shared_origin_ends_with_the_next_legitimate_delivery(shop: Shop, work: Work) -> None:
    """No other browser was sent to for ten minutes: the app is held until one is."""
    shop.send(shop.browsers(REFUSED_DEVICES, "forbidden"))
    work()
    assert shop.hold().released_at is None
    fine = shop.send(shop.browsers(5))
    work()
    probe_now(shop.hold())
    for _ in range(3):
        work()
    assert states(fine) == {"accepted": 5}
