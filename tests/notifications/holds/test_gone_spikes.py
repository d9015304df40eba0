"""The vendor reports most endpoints of an (app, origin) as gone: restored, held, decided by an operator."""

from __future__ import annotations

from collections import Counter
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
from tests.notifications.builders import states
from tests.notifications.holds.conftest import MANY, Open, Shop, Work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("few")]


def endpoints(shop: Shop) -> Counter[str]:
    return Counter(Device.objects.filter(tenant=shop.tenant).values_list("endpoint_state", flat=True))


def test_devices_are_suspect_and_deliveries_held(shop: Shop, gone_spike: Notification) -> None:
    assert endpoints(shop) == {"suspect": MANY}
    assert (states(gone_spike), shop.hold().kind) == ({"queued": MANY}, "gone_spike")
    assert shop.hold().evidence == {"devices_gone": MANY, "accepted": 0}


def test_operator_and_tenant_get_events(shop: Shop, gone_spike: Notification) -> None:
    assert Event.objects.get(tenant=shop.tenant, type="app.held").notice
    assert Event.objects.filter(tenant=shop.tenant, type="device.suspect").count() == MANY


def test_it_waits_for_an_operator(shop: Shop, gone_spike: Notification, work: Work) -> None:
    later = shop.send(shop.browsers(2))
    for _ in range(3):
        work()
    assert (states(gone_spike), states(later)) == ({"queued": MANY}, {"queued": 2})


def test_held_deliveries_return_their_rate_limit_tokens(
    shop: Shop, gone_spike: Notification, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tenant.objects.filter(pk=shop.tenant.pk).update(deliveries_per_second=10)
    returned: list[int] = []
    monkeypatch.setattr("notifications.engine.claim.rate_limits_release", lambda _, *, tokens: returned.append(tokens))
    shop.send(shop.browsers(3))
    work()
    assert 3 in returned


def test_a_release_sends_what_was_held(shop: Shop, gone_spike: Notification, work: Work) -> None:
    hold_release(hold=shop.hold(), by="olga")
    for _ in range(3):
        work()
    assert (states(gone_spike), endpoints(shop)) == ({"accepted": MANY}, {"active": MANY})
    assert (shop.hold().outcome, shop.hold().released_by) == ("sent_again", "olga")


def test_a_confirmation_ends_what_was_held(shop: Shop, gone_spike: Notification, work: Work) -> None:
    fine = shop.send(shop.browsers(2))
    work()
    hold_confirm(hold=shop.hold(), by="olga")
    for _ in range(3):
        work()
    assert (states(gone_spike), states(fine)) == ({"gone": MANY}, {"accepted": 2})
    assert endpoints(shop) == {"gone": MANY, "active": 2}


def test_a_confirmation_is_believed_for_an_hour(shop: Shop, gone_spike: Notification, work: Work) -> None:
    hold_confirm(hold=shop.hold(), by="olga")
    more = shop.send(shop.browsers(MANY, "gone"))
    for _ in range(3):
        work()
    assert states(more) == {"gone": MANY}


def test_a_hold_is_decided_once(shop: Shop, gone_spike: Notification) -> None:
    hold_release(hold=shop.hold(), by="olga")
    with pytest.raises(ApiError, match="already"):
        hold_confirm(hold=shop.hold(), by="otto")


def test_a_single_device_is_gone_at_once(shop: Shop, work: Work) -> None:
    notification = shop.send(shop.browsers(1, "gone"))
    work()
    assert (states(notification), endpoints(shop), Hold.objects.count()) == ({"gone": 1}, {"gone": 1}, 0)


def test_many_gone_devices_among_more_successes_are_no_gone_spike(shop: Shop, work: Work) -> None:
    notification = shop.send([*shop.browsers(MANY * 2, "gone"), *shop.browsers(MANY)])
    work()
    assert (states(notification), Hold.objects.count()) == ({"gone": MANY * 2, "accepted": MANY}, 0)


def test_a_burst_in_a_steady_flow_is_a_gone_spike(
    shop: Shop, deliver: Work, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has ended before upkeep runs, and has few of all outcomes."""
    sent = []
    for browsers in [shop.browsers(MANY * 3), shop.browsers(MANY, "sequence:410"), shop.browsers(MANY * 3)]:
        sent.append(shop.send(browsers))
        deliver()
    monkeypatch.setattr(detection, "GONE_IN_A_ROW", MANY)
    work()
    assert [states(notification) for notification in sent] == [
        {"accepted": MANY * 3},
        {"queued": MANY},
        {"accepted": MANY * 3},
    ]


def test_a_success_in_between_starts_the_count_again(shop: Shop, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "GONE_IN_A_ROW", MANY)
    for _ in range(3):
        shop.send(shop.browsers(MANY - 1, "gone"))
        work()
        shop.send(shop.browsers(MANY))
        work()
    assert Hold.objects.count() == 0


def test_another_tenant_is_not_affected(
    shop: Shop, gone_spike: Notification, globex: TenantCreated, opened: Open, work: Work
) -> None:
    other = opened(globex)
    elsewhere = other.send([*other.browsers(3), *other.browsers(1, "gone")])
    work()
    assert (states(elsewhere), endpoints(other)) == ({"accepted": 3, "gone": 1}, {"active": 3, "gone": 1})


def test_an_endpoint_registered_again_meanwhile_is_left_alone(shop: Shop, deliver: Work, work: Work) -> None:
    devices = shop.browsers(MANY, "gone")
    shop.send(devices)
    deliver()
    Device.objects.filter(id=devices[0].id).update(token_version=2, endpoint_state=EndpointState.ACTIVE)
    work()
    assert endpoints(shop) == {"suspect": MANY - 1, "active": 1}


def test_deliveries_to_devices_that_are_gone_meanwhile_are_restored_too(shop: Shop, deliver: Work, work: Work) -> None:
    """They end without being sent before the hold opens."""
    devices = shop.browsers(MANY, "sequence:410")
    first = shop.send(devices)
    deliver()
    later = shop.send(devices)
    deliver()
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


def test_deliveries_claimed_before_the_worker_knows_the_hold_are_restored_too(
    shop: Shop, gone_spike: Notification, work: Work
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("notifications.holds.gate.HoldGate.divert", lambda _, deliveries: deliveries)
        late = shop.send(shop.browsers(3, "gone"))
        work()
    work()
    assert states(late) == {"queued": 3}
    assert set(Delivery.objects.filter(notification=late).values_list("reason", "attempt")) == {("held", 0)}


def test_a_gone_spike_while_upkeep_was_away_is_restored_too(shop: Shop, deliver: Work) -> None:
    notification = shop.send(shop.browsers(MANY, "sequence:410"), ttl=7200)
    deliver()
    assert states(notification) == {"gone": MANY}
    SuspectOutcome.objects.update(at=Now() - timedelta(hours=1))
    holds_maintain()
    assert (states(notification), endpoints(shop)) == ({"queued": MANY}, {"suspect": MANY})


def test_suspect_outcomes_are_believed_after_a_minute(shop: Shop, work: Work) -> None:
    notification = shop.send(shop.browsers(MANY - 1, "sequence:410"))
    work()
    SuspectOutcome.objects.update(at=Now() - GONE_KEPT)
    holds_maintain()
    assert (states(notification), SuspectOutcome.objects.count()) == ({"gone": MANY - 1}, 0)


def test_outcomes_that_a_hold_has_not_taken_in_are_kept(shop: Shop, gone_spike: Notification) -> None:
    taken = SuspectOutcome.objects.filter(hold=shop.hold()).first()
    assert taken is not None
    SuspectOutcome.objects.filter(id=taken.id).update(hold=None, at=Now() - timedelta(hours=1))
    execute(sql.SUSPECTS_PRUNE, {"refused": timedelta(0), "gone": timedelta(0)})
    assert SuspectOutcome.objects.filter(id=taken.id).exists()


def test_successes_are_kept_as_long_as_an_older_suspect_outcome(shop: Shop) -> None:
    place = {"tenant": shop.tenant, "app": shop.app, "push_origin": "https://push.example"}
    for hours in (3, 1):
        AcceptedTally.objects.create(**place, accepted=1, at=Now() - timedelta(hours=hours))
    suspect = SuspectOutcome.objects.create(
        **place, kind="gone", device_id=1, token_version=1, delivery_id=uuid4(), at=Now() - timedelta(hours=2)
    )
    holds_prune()
    assert AcceptedTally.objects.count() == 1
    suspect.delete()
    holds_prune()
    assert AcceptedTally.objects.count() == 0


def test_a_hold_that_fails_does_not_stop_the_pruning(
    shop: Shop, gone_spike: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    SuspectOutcome.objects.update(hold=None)
    old = SuspectOutcome.objects.latest("id")
    SuspectOutcome.objects.filter(id=old.id).update(at=Now() - timedelta(hours=1), push_origin="https://other.example")
    monkeypatch.setattr(maintenance, "endpoints_suspect", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        holds_maintain()
    assert not SuspectOutcome.objects.filter(id=old.id).exists()
