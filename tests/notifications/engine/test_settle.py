from __future__ import annotations

import pytest
from django.db import connection

from devices.models import Device
from events.models import Event
from notifications.engine.claim import claim
from notifications.engine.lanes import LanePicker, lane_wakeups_apply
from notifications.engine.settle import settle
from notifications.engine.types import Claimed, Settlement
from notifications.expansion.expand import expansion_begin
from notifications.models import CountDelta, Delivery, Notification
from notifications.reasons import DeliveryReason
from notifications.receipts import DeliveryUpdate, receipts_apply
from notifications.states import DeliveryState
from notifications.upkeep.ticks import deltas_fold, leases_release
from tenants.models import Tenant
from tests.notifications.builders import devices_make, notification_make, states

S = DeliveryState


@pytest.fixture
def notification(acme: Tenant) -> Notification:
    devices_make(acme, 3, user="alice")
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    lane_wakeups_apply()
    return notification


def claimed(*, lease_seconds: float = 60) -> Claimed:
    lane = LanePicker().pick(limit=256)
    assert lane is not None
    return claim(lane=lane, limit=100, lease_seconds=lease_seconds, send_seconds=10)


def settle_all(taken: Claimed, state: DeliveryState, **columns: object) -> int:
    return settle([Settlement(delivery, state, **columns) for delivery in taken.deliveries])  # type: ignore[arg-type]


def folded(notification: Notification) -> dict[str, int]:
    deltas_fold()
    notification.refresh_from_db()
    return dict(notification.counts)


def test_a_claim_leaves_nothing_for_a_second_one(notification: Notification) -> None:
    assert len(claimed().deliveries) == 3
    assert claimed().count == 0
    assert states(notification) == {"sending": 3}


def test_only_the_worker_with_the_lease_settles(notification: Notification) -> None:
    first = claimed(lease_seconds=-1)
    assert leases_release() == 3
    second = claimed()
    assert settle_all(first, S.REJECTED) == 0
    assert states(notification) == {"sending": 3}
    assert settle_all(second, S.ACCEPTED) == 3
    assert folded(notification) == {"accepted": 3}


def test_settling_twice_counts_once(notification: Notification) -> None:
    taken = claimed()
    assert (settle_all(taken, S.ACCEPTED), settle_all(taken, S.ACCEPTED)) == (3, 0)
    assert folded(notification) == {"accepted": 3}


def test_a_lost_lease_does_not_spend_an_attempt(notification: Notification) -> None:
    claimed(lease_seconds=-1)
    leases_release()
    assert set(Delivery.objects.values_list("state", "attempt", "lost_leases")) == {("queued", 0, 1)}


def test_leases_lost_too_often_end_dead(notification: Notification) -> None:
    Delivery.objects.update(lost_leases=10)
    claimed(lease_seconds=-1)
    leases_release()
    assert set(Delivery.objects.values_list("state", "reason")) == {("dead", "leases_lost")}
    assert folded(notification) == {"dead": 3}


@pytest.mark.parametrize(
    ("before", "state", "reason", "stored"),
    [
        ("endpoint_pending", S.EXPIRED, DeliveryReason.EXPIRED, "endpoint_pending"),
        ("http 503", S.QUEUED, "", "http 503"),
        ("endpoint_pending", S.QUEUED, "http 503", "http 503"),
        ("endpoint_pending", S.EXPIRED, "http 503", "http 503"),
        ("endpoint_pending", S.ACCEPTED, "", ""),
    ],
)
def test_what_a_delivery_waited_for_stays_known(
    notification: Notification, before: str, state: S, reason: str, stored: str
) -> None:
    Delivery.objects.update(reason=before)
    settle_all(claimed(), state, reason=reason)
    assert set(Delivery.objects.values_list("state", "reason")) == {(state.value, stored)}


def test_a_claim_that_finds_the_endpoint_ready_ends_the_wait_for_it(notification: Notification) -> None:
    Delivery.objects.update(reason=DeliveryReason.ENDPOINT_PENDING)
    settle_all(claimed(), S.QUEUED)
    assert set(Delivery.objects.values_list("state", "reason")) == {("queued", "")}


def test_an_expired_delivery_that_waited_for_nothing_known_has_the_reason_expired(notification: Notification) -> None:
    settle_all(claimed(), S.EXPIRED, reason=DeliveryReason.EXPIRED)
    assert set(Delivery.objects.values_list("reason", flat=True)) == {"expired"}


def test_a_lease_that_has_not_expired_is_kept(notification: Notification) -> None:
    claimed()
    assert leases_release() == 0


def test_a_receipt_before_the_settle_is_not_lowered(notification: Notification) -> None:
    taken = claimed()
    receipts_apply(updates=[DeliveryUpdate(taken.deliveries[0].id, S.OPENED)])
    assert settle_all(taken, S.ACCEPTED, message_id="m-1") == 3
    opened = Delivery.objects.get(id=taken.deliveries[0].id)
    assert (opened.state, opened.provider_message_id) == ("opened", "m-1")
    assert opened.accepted_at is not None
    assert folded(notification) == {"opened": 1, "accepted": 2}


def test_a_retry_does_not_lower_a_receipt(notification: Notification) -> None:
    taken = claimed()
    receipts_apply(updates=[DeliveryUpdate(taken.deliveries[0].id, S.DELIVERED)])
    assert settle_all(taken, S.QUEUED) == 2
    assert states(notification) == {"delivered": 1, "queued": 2}
    assert folded(notification) == {"delivered": 1, "queued": 2}


def test_counts_delays_and_rows_are_written_together(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = claimed()
    CountDelta.objects.all().delete()
    with monkeypatch.context() as patch:
        patch.delattr("notifications.engine.settle.events_append")
        with pytest.raises(NameError):
            settle_all(taken, S.ACCEPTED)
    assert (states(notification), CountDelta.objects.count()) == ({"sending": 3}, 0)


def test_gone_respects_a_newer_token(notification: Notification) -> None:
    taken = claimed()
    newer = Device.objects.get(pk=taken.deliveries[0].device_id)
    Device.objects.filter(pk=newer.pk).update(token_version=2)
    settle_all(taken, S.GONE, gone=True, reason="http 410")
    assert Device.objects.filter(endpoint_state="gone").count() == 2
    newer.refresh_from_db()
    assert newer.endpoint_state == "active"


def test_dead_deliveries_make_one_event_a_flush(notification: Notification) -> None:
    settle_all(claimed(), S.DEAD)
    event = Event.objects.get(type="notification.dead")
    assert (event.subject, event.data) == (str(notification.id), {"deliveries": 3})


def test_the_claim_uses_its_index(notification: Notification) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM notifications_delivery WHERE lane_id = 1 AND state = 'queued'"
            " AND due_at <= statement_timestamp() ORDER BY due_at LIMIT 256 FOR NO KEY UPDATE SKIP LOCKED"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "lane_id_due_at_idx" in plan
    assert "-> Sort" not in " ".join(plan.split())
