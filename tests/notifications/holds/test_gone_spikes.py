"""Most of an (app, origin)'s endpoints are said to be gone: restored, held, and decided by an operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from devices.models import Device, EndpointState
from events.models import Event
from notifications.engine.session import execute
from notifications.holds import detection, maintenance, sql
from notifications.holds.maintenance import GONE_KEPT, holds_maintain, holds_prune
from notifications.holds.models import AcceptedTally, Hold, SuspectOutcome
from notifications.holds.services import hold_confirm, hold_release
from notifications.models import Delivery, Notification
from pushhub.kernel.errors import ApiError
from tenants.models import Tenant
from tenants.services import TenantCreated
from tests.notifications.holds.conftest import Open, Shop, states

pytestmark = pytest.mark.django_db

MANY = 20
Work = Callable[[], None]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "GONE_DEVICES", MANY)


@pytest.fixture
def gone_spike(shop: Shop, work: Work) -> Notification:
    """Said to be gone once, fine when asked again."""
    notification = shop.send(shop.browsers(MANY, "sequence:410"))
    work()
    return notification


def endpoints(shop: Shop) -> Counter[str]:
    return Counter(Device.objects.filter(tenant=shop.tenant).values_list("endpoint_state", flat=True))


def test_devices_are_suspect_and_deliveries_held(shop: Shop, gone_spike: Notification) -> None:
    assert endpoints(shop) == {"suspect": MANY}
    assert (states(gone_spike), shop.hold().kind) == ({"queued": MANY}, "gone_spike")
    assert shop.hold().evidence == {"devices_gone": MANY, "accepted": 0}


def test_operator_and_tenant_are_told(shop: Shop, gone_spike: Notification) -> None:
    assert Event.objects.get(tenant=shop.tenant, type="app.held").notice
    assert Event.objects.filter(tenant=shop.tenant, type="device.suspect").count() == MANY


def test_it_waits_for_an_operator(shop: Shop, gone_spike: Notification, work: Work) -> None:
    later = shop.send(shop.browsers(2))
    for _ in range(3):
        work()
    assert (states(gone_spike), states(later)) == ({"queued": MANY}, {"queued": 2})


def test_what_is_held_takes_nothing_of_its_tenants_cap(
    shop: Shop, gone_spike: Notification, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tenant.objects.filter(pk=shop.tenant.pk).update(deliveries_per_second=10)
    returned: list[int] = []
    monkeypatch.setattr("notifications.engine.claim.rate_limits_release", lambda _, *, tokens: returned.append(tokens))
    shop.send(shop.browsers(3))
    work()
    assert 3 in returned


def test_they_were_fine(shop: Shop, gone_spike: Notification, work: Work) -> None:
    hold_release(hold=shop.hold(), by="olga")
    for _ in range(3):
        work()
    assert (states(gone_spike), endpoints(shop)) == ({"accepted": MANY}, {"active": MANY})
    assert (shop.hold().outcome, shop.hold().released_by) == ("sent_again", "olga")


def test_they_are_gone(shop: Shop, gone_spike: Notification, work: Work) -> None:
    fine = shop.send(shop.browsers(2))
    work()
    hold_confirm(hold=shop.hold(), by="olga")
    for _ in range(3):
        work()
    assert (states(gone_spike), states(fine)) == ({"gone": MANY}, {"accepted": 2})
    assert endpoints(shop) == {"gone": MANY, "active": 2}


def test_an_operator_who_says_that_they_are_gone_is_believed_for_an_hour(
    shop: Shop, gone_spike: Notification, work: Work
) -> None:
    hold_confirm(hold=shop.hold(), by="olga")
    more = shop.send(shop.browsers(MANY, "gone"))
    for _ in range(3):
        work()
    assert states(more) == {"gone": MANY}


def test_a_hold_is_decided_once(shop: Shop, gone_spike: Notification) -> None:
    hold_release(hold=shop.hold(), by="olga")
    with pytest.raises(ApiError, match="already"):
        hold_confirm(hold=shop.hold(), by="otto")


def test_a_single_one_is_gone_at_once(shop: Shop, work: Work) -> None:
    notification = shop.send(shop.browsers(1, "gone"))
    work()
    assert (states(notification), endpoints(shop), Hold.objects.count()) == ({"gone": 1}, {"gone": 1}, 0)


def test_many_among_more_that_are_fine_are_a_stale_list(shop: Shop, work: Work) -> None:
    notification = shop.send([*shop.browsers(MANY * 2, "gone"), *shop.browsers(MANY)])
    work()
    assert (states(notification), Hold.objects.count()) == ({"gone": MANY * 2, "accepted": MANY}, 0)


def test_a_burst_in_a_steady_flow_is_a_gone_spike(shop: Shop, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over before anybody looked, and few among all answers."""
    flow = [shop.browsers(MANY * 3), shop.browsers(MANY, "sequence:410"), shop.browsers(MANY * 3)]
    with monkeypatch.context() as patch:
        patch.setattr("tests.notifications.holds.conftest.holds_maintain", lambda: None)
        sent = []
        for browsers in flow:
            sent.append(shop.send(browsers))
            work()
    monkeypatch.setattr(detection, "GONE_IN_A_ROW", MANY)
    work()
    assert [states(notification) for notification in sent] == [
        {"accepted": MANY * 3},
        {"queued": MANY},
        {"accepted": MANY * 3},
    ]


def test_a_success_in_between_makes_two_rows(shop: Shop, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "GONE_IN_A_ROW", MANY)
    for _ in range(3):
        shop.send(shop.browsers(MANY - 1, "gone"))
        work()
        shop.send(shop.browsers(MANY))
        work()
    assert Hold.objects.count() == 0


def test_it_is_nobody_elses(
    shop: Shop, gone_spike: Notification, globex: TenantCreated, opened: Open, work: Work
) -> None:
    other = opened(globex)
    elsewhere = other.send([*other.browsers(3), *other.browsers(1, "gone")])
    work()
    assert (states(elsewhere), endpoints(other)) == ({"accepted": 3, "gone": 1}, {"active": 3, "gone": 1})


def test_an_endpoint_registered_anew_meanwhile_is_left_alone(
    shop: Shop, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = shop.browsers(MANY, "gone")
    shop.send(devices)
    with monkeypatch.context() as patch:
        patch.setattr("tests.notifications.holds.conftest.holds_maintain", lambda: None)
        work()
    Device.objects.filter(id=devices[0].id).update(token_version=2, endpoint_state=EndpointState.ACTIVE)
    work()
    assert endpoints(shop) == {"suspect": MANY - 1, "active": 1}


def test_what_was_sent_to_those_said_to_be_gone_is_taken_back_too(
    shop: Shop, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent before the gone spike was known never reached the wire: it ends and returns with its device."""
    devices = shop.browsers(MANY, "sequence:410")
    first = shop.send(devices)
    with monkeypatch.context() as patch:
        patch.setattr("tests.notifications.holds.conftest.holds_maintain", lambda: None)
        work()
        later = shop.send(devices)
        work()
    assert states(later) == {"gone": MANY}
    work()
    assert (states(first), states(later)) == ({"queued": MANY}, {"queued": MANY})
    assert shop.hold().evidence["devices_gone"] == MANY


def test_a_device_with_many_messages_is_no_gone_spike(shop: Shop, work: Work) -> None:
    devices = shop.browsers(2, "gone")
    for _ in range(MANY):
        shop.send(devices)
        work()
    assert (endpoints(shop), Hold.objects.count()) == ({"gone": 2}, 0)


def test_stragglers_of_the_gone_spike_are_taken_back_too(shop: Shop, gone_spike: Notification, work: Work) -> None:
    """Sent before the worker knew of the hold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("notifications.holds.gate.HoldGate.divert", lambda _, deliveries: deliveries)
        late = shop.send(shop.browsers(3, "gone"))
        work()
    work()
    assert states(late) == {"queued": 3}
    assert set(Delivery.objects.filter(notification=late).values_list("reason", "attempt")) == {("held", 0)}


def test_what_came_while_upkeep_was_away_is_taken_back_too(
    shop: Shop, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = shop.send(shop.browsers(MANY, "sequence:410"), ttl=7200)
    monkeypatch.setattr("tests.notifications.holds.conftest.holds_maintain", lambda: None)
    work()
    assert states(notification) == {"gone": MANY}
    SuspectOutcome.objects.update(at=Now() - timedelta(hours=1))
    holds_maintain()
    assert (states(notification), endpoints(shop)) == ({"queued": MANY}, {"suspect": MANY})


def test_what_was_judged_for_a_minute_is_believed(shop: Shop, work: Work) -> None:
    notification = shop.send(shop.browsers(MANY - 1, "sequence:410"))
    work()
    SuspectOutcome.objects.update(at=Now() - GONE_KEPT)
    holds_maintain()
    assert (states(notification), SuspectOutcome.objects.count()) == ({"gone": MANY - 1}, 0)


def test_what_a_hold_has_not_yet_taken_in_is_kept_for_it(shop: Shop, gone_spike: Notification) -> None:
    taken = SuspectOutcome.objects.filter(hold=shop.hold()).first()
    assert taken is not None
    SuspectOutcome.objects.filter(id=taken.id).update(hold=None, at=Now() - timedelta(hours=1))
    execute(sql.SUSPECTS_PRUNE, {"refused": timedelta(0), "gone": timedelta(0)})
    assert SuspectOutcome.objects.filter(id=taken.id).exists()


def test_successes_are_not_forgotten_while_a_doubt_is_yet_to_be_judged(shop: Shop) -> None:
    place = {"tenant": shop.tenant, "app": shop.app, "push_origin": "https://push.example"}
    for hours in (3, 1):
        AcceptedTally.objects.create(**place, accepted=1, at=Now() - timedelta(hours=hours))
    suspect_as = SuspectOutcome.objects.create(
        **place, kind="gone", device_id=1, token_version=1, delivery_id=uuid4(), at=Now() - timedelta(hours=2)
    )
    holds_prune()
    assert AcceptedTally.objects.count() == 1
    suspect_as.delete()
    holds_prune()
    assert AcceptedTally.objects.count() == 0


def test_what_was_judged_is_forgotten_though_a_hold_breaks_down(
    shop: Shop, gone_spike: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    pruned: list[str] = []
    monkeypatch.setattr(maintenance, "_restore", lambda hold: 1 / 0)
    monkeypatch.setattr(maintenance, "execute", lambda statement, values: pruned.append(statement))
    monkeypatch.setattr(detection, "holds_detect", lambda: None)
    with pytest.raises(ZeroDivisionError):
        holds_maintain()
    assert pruned == [sql.SUSPECTS_PRUNE]
