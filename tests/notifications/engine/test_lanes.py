from __future__ import annotations

from datetime import timedelta
from threading import Thread

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from devices.models import App
from notifications.engine import scan_cursor, sql
from notifications.engine.claim import claim
from notifications.engine.lanes import LanePicker, lane_close, lane_wakeups_apply, lanes_rescue, work_due
from notifications.engine.scan_cursor import ScanCursor
from notifications.engine.session import execute
from notifications.expansion.expand import expansion_begin
from notifications.models import Delivery, Lane, LaneWakeup
from tenants.models import Tenant
from tests.notifications.builders import devices_make, lane_make, notification_make


def delivery_make(lane: Lane, *, due_in: float = -1) -> Delivery:
    return Delivery.objects.create(
        tenant_id=lane.tenant_id,
        notification_id=lane.tenant_id,
        device_id=1,
        lane=lane,
        generation=1,
        due_at=timezone.now() + timedelta(seconds=due_in),
    )


def urgent_due() -> bool:
    ((due,),) = execute(sql.URGENT_DUE)
    return bool(due)


def picks(count: int) -> list[int]:
    picker = LanePicker()
    return [lane.id for _ in range(count) if (lane := picker.pick(limit=256))]


def test_lanes_are_picked_alternately(acme: Tenant, globex: Tenant) -> None:
    ours, theirs = lane_make(acme), lane_make(globex)
    assert picks(4) == [ours.pk, theirs.pk] * 2


def test_a_single_lane_is_always_picked(acme: Tenant) -> None:
    lane = lane_make(acme)
    assert picks(3) == [lane.pk] * 3


def test_every_fourth_pick_starts_with_bulk(acme: Tenant, globex: Tenant) -> None:
    urgent, bulk = lane_make(acme, "transactional"), lane_make(globex)
    assert picks(8) == ([urgent.pk] * 3 + [bulk.pk]) * 2


def test_transactional_is_picked_for_bulk_when_there_is_no_bulk(acme: Tenant) -> None:
    urgent = lane_make(acme, "transactional")
    assert picks(5) == [urgent.pk] * 5


@pytest.mark.parametrize("state", ["misconfigured", "disabled"])
def test_lanes_of_an_app_that_does_not_work_are_skipped(acme: Tenant, state: str) -> None:
    lane_make(acme)
    assert work_due()
    App.objects.update(state=state)
    assert (picks(1), work_due()) == ([], False)


def test_a_paused_lane_is_skipped(acme: Tenant) -> None:
    lane_make(acme)
    Lane.objects.update(paused_at=timezone.now())
    assert (picks(1), work_due()) == ([], False)


@pytest.mark.parametrize("due_in", [60, None])
def test_a_lane_that_is_not_due_is_skipped(acme: Tenant, due_in: float | None) -> None:
    lane_make(acme, due_in=due_in)
    assert picks(1) == []


def test_wakeups_make_a_lane_due_earlier_never_later(acme: Tenant) -> None:
    lane = lane_make(acme, due_in=60)
    for seconds in (120, 30, 90):
        LaneWakeup.objects.create(lane_id=lane.pk, due_at=timezone.now() + timedelta(seconds=seconds))
    lane_wakeups_apply()
    lane.refresh_from_db()
    assert lane.next_due_at is not None
    assert 25 < (lane.next_due_at - timezone.now()).total_seconds() < 35
    assert LaneWakeup.objects.count() == 0


def test_a_wakeup_counts_as_work_before_it_is_applied(acme: Tenant) -> None:
    lane = lane_make(acme, due_in=None)
    assert not work_due()
    LaneWakeup.objects.create(lane_id=lane.pk, due_at=timezone.now())
    assert work_due()


@pytest.mark.parametrize(("delivery_class", "urgent"), [("transactional", True), ("bulk", False)])
def test_only_a_transactional_wakeup_is_urgent(acme: Tenant, delivery_class: str, urgent: bool) -> None:
    lane = lane_make(acme, delivery_class, due_in=None)
    assert not urgent_due()
    LaneWakeup.objects.create(lane_id=lane.pk, due_at=timezone.now())
    assert urgent_due() is urgent


@pytest.mark.parametrize("column", ["paused_at", "rate_limited_until", "next_due_at"])
def test_a_lane_that_may_not_claim_is_not_urgent(acme: Tenant, column: str) -> None:
    lane_make(acme, "transactional")
    assert urgent_due()
    Lane.objects.update(**{column: timezone.now() + timedelta(seconds=60)})
    assert not urgent_due()


def test_closing_sets_when_the_next_delivery_is_due(acme: Tenant) -> None:
    lane = lane_make(acme)
    later = delivery_make(lane, due_in=60)
    delivery_make(lane, due_in=90)
    lane_close(lane_id=lane.pk)
    lane.refresh_from_db()
    assert lane.next_due_at == later.due_at


def test_closing_an_empty_lane(acme: Tenant) -> None:
    lane = lane_make(acme)
    lane_close(lane_id=lane.pk)
    lane.refresh_from_db()
    assert lane.next_due_at is None


@pytest.mark.django_db(transaction=True)
def test_a_delivery_queued_while_its_lane_is_closed_is_not_forgotten(acme: Tenant) -> None:
    lane = lane_make(acme)

    def close() -> None:
        try:
            lane_close(lane_id=lane.pk)
        finally:
            connection.close()

    with transaction.atomic():
        # This transaction has locked the lane, and the close waits for it: it must read the deliveries after its wait.
        delivery_make(lane)
        LaneWakeup.objects.create(lane_id=lane.pk, due_at=timezone.now())
        lane_wakeups_apply()
        Lane.objects.filter(pk=lane.pk).update(paused_reason="")
        closing = Thread(target=close)
        closing.start()
        closing.join(0.3)
        assert closing.is_alive()
    closing.join()
    lane.refresh_from_db()
    assert lane.next_due_at is not None


def test_a_lane_that_lost_its_due_time_is_rescued(acme: Tenant) -> None:
    lane = lane_make(acme, due_in=None)
    delivery_make(lane, due_in=-120)
    assert lanes_rescue() == [lane.pk]
    assert lanes_rescue() == []
    assert picks(1) == [lane.pk]


def test_a_claim_starts_where_the_last_full_one_ended(acme: Tenant) -> None:
    devices = devices_make(acme, 3)
    expansion_begin(notification=notification_make(acme, {"devices": [str(row.device_id) for row in devices]}, rate=1))
    Delivery.objects.update(due_at=F("due_at") - timedelta(minutes=1))
    lane_wakeups_apply()
    Lane.objects.update(next_due_at=timezone.now())
    lane = LanePicker().pick(limit=2)
    assert lane
    due = sorted(Delivery.objects.values_list("due_at", flat=True))
    assert claim(lane=lane, limit=2, lease_seconds=60, send_seconds=10).count == 2
    assert lane.cursor.start() == due[1]
    assert claim(lane=lane, limit=2, lease_seconds=60, send_seconds=10).count == 1
    assert lane.cursor.start() < due[0]


def test_the_cursor_starts_again_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = ScanCursor()
    begin = cursor.start()
    cursor.advance(timezone.now())
    assert cursor.start() > begin
    monkeypatch.setattr(scan_cursor, "CURSOR_SECONDS", 0.0)
    cursor = ScanCursor()
    cursor.start()
    cursor.advance(timezone.now())
    assert cursor.start() == begin


def test_a_lane_keeps_its_cursor_from_claim_to_claim(acme: Tenant) -> None:
    lane_make(acme)
    picker = LanePicker()
    first, second = picker.pick(limit=1), picker.pick(limit=1)
    assert first
    assert second
    assert first.cursor is second.cursor
