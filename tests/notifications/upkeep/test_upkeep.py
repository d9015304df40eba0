from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from devices.models import App, AppState, Device
from devices.services import app_delete, app_update, device_delete
from events.models import Event
from notifications.expansion.expand import expansion_begin
from notifications.models import CountDelta, Delivery, Lane, Notification
from notifications.upkeep import partitions, ticks
from notifications.upkeep.partitions import AHEAD, partition_is_open, partitions_drop, partitions_make
from pushhub.kernel.ids import uuid7_floor
from tenants.models import Tenant
from tests.notifications.builders import app_make, devices_make, notification_make, states


@pytest.fixture
def notification(acme: Tenant) -> Notification:
    devices_make(acme, 3, user="alice")
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    return notification


def deliveries_end(notification: Notification, state: str) -> None:
    count = Delivery.objects.filter(notification=notification).update(state=state)
    CountDelta.objects.create(notification_id=notification.id, counts={"queued": -count, state: count})


def test_deltas_add_up_and_vanish(notification: Notification) -> None:
    CountDelta.objects.create(notification_id=notification.id, counts={"queued": -1, "accepted": 1}, delays={"7": 1})
    CountDelta.objects.create(notification_id=notification.id, counts={"sending": -1, "opened": 1}, delays={"7": 2})
    ticks.deltas_fold()
    notification.refresh_from_db()
    assert notification.counts == {"queued": 1, "accepted": 1, "opened": 1}
    assert notification.delays == {"7": 3}
    assert CountDelta.objects.count() == 0


def test_deltas_of_a_deleted_notification_do_not_block_others(notification: Notification) -> None:
    CountDelta.objects.create(counts={"queued": 1})
    ticks.deltas_fold()
    notification.refresh_from_db()
    assert notification.counts == {"queued": 3}


def test_a_notification_completes_once_nothing_is_open(notification: Notification) -> None:
    ticks.second()
    notification.refresh_from_db()
    assert notification.state == "sending"
    deliveries_end(notification, "accepted")
    ticks.second()
    ticks.second()
    notification.refresh_from_db()
    assert notification.state == "completed"
    assert Event.objects.filter(type="notification.completed", subject=str(notification.id)).count() == 1


def test_counts_that_are_not_folded_yet_keep_it_open(notification: Notification) -> None:
    deliveries_end(notification, "accepted")
    assert ticks.completed_mark() == 0


def test_an_empty_audience_completes(acme: Tenant) -> None:
    unknown = notification_make(acme, {"users": ["unknown"]})
    expansion_begin(notification=unknown)
    assert ticks.completed_mark() == 1


def test_a_cancelled_notifications_deliveries_are_swept(notification: Notification) -> None:
    sent = Delivery.objects.all()[0]
    Delivery.objects.filter(id=sent.id).update(state="sending")
    Notification.objects.update(state="cancelled", cancelled_at=timezone.now(), expanded_at=None)
    ticks.second()
    assert states(notification) == {"cancelled": 2, "sending": 1}
    Delivery.objects.filter(id=sent.id).update(state="accepted")
    CountDelta.objects.create(notification_id=notification.id, counts={"queued": -1, "accepted": 1})
    ticks.second()
    notification.refresh_from_db()
    assert (notification.state, notification.counts) == ("cancelled", {"cancelled": 2, "accepted": 1})
    assert notification.completed_at is not None


@pytest.fixture
def unclaimed(acme: Tenant) -> Notification:
    """A notification to a device whose app does not work, until it expires."""
    app = app_make(acme)
    devices_make(acme, user="bob", app=app)
    app_update(tenant=acme, app=app, enabled=False)
    notification = notification_make(acme, {"users": ["bob"]}, expires_at=timezone.now() - timedelta(minutes=2))
    expansion_begin(notification=notification)
    return notification


def test_deliveries_that_no_worker_claims_expire(unclaimed: Notification) -> None:
    ticks.minutes()
    ticks.second()
    unclaimed.refresh_from_db()
    assert (unclaimed.state, unclaimed.counts) == ("completed", {"expired": 1})


@pytest.mark.parametrize(
    ("stored", "app", "paused", "reason"),
    [
        ("", AppState.ACTIVE, None, "expired"),
        ("", AppState.DISABLED, None, "app_disabled"),
        ("", AppState.MISCONFIGURED, None, "app_unavailable"),
        ("", AppState.DISABLED, timezone.now(), "lane_paused"),
        ("http 503", AppState.DISABLED, timezone.now(), "http 503"),
    ],
)
def test_an_expired_delivery_says_what_it_waited_for(
    unclaimed: Notification, stored: str, app: AppState, paused: datetime | None, reason: str
) -> None:
    App.objects.update(state=app)
    Lane.objects.update(paused_at=paused)
    Delivery.objects.update(reason=stored)
    ticks.expired_sweep()
    assert Delivery.objects.values_list("state", "reason").get() == ("expired", reason)


def test_deliveries_of_a_deleted_app_expire(unclaimed: Notification) -> None:
    device_delete(tenant=unclaimed.tenant, device_id=Device.objects.get().device_id)
    app_delete(tenant=unclaimed.tenant, app=App.objects.get())
    ticks.minutes()
    ticks.second()
    unclaimed.refresh_from_db()
    assert (unclaimed.state, unclaimed.counts) == ("completed", {"expired": 1})


def test_deliveries_with_time_left_wait_for_their_app(unclaimed: Notification) -> None:
    Notification.objects.update(expires_at=timezone.now() - timedelta(seconds=30))
    ticks.minutes()
    assert states(unclaimed) == {"queued": 1}


def test_one_failing_step_does_not_stop_the_others(notification: Notification, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ValueError

    monkeypatch.setattr(ticks, "leases_release", broken)
    ticks.second()
    notification.refresh_from_db()
    assert notification.counts == {"queued": 3}


def test_beat_wakes_for_what_is_due(notification: Notification, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: Counter[str] = Counter()
    monkeypatch.setattr(ticks, "wake", lambda pool: woken.update([pool]))
    ticks.dispatchers_wake()
    ticks.expansions_wake()
    notification_make(notification.tenant, {"all": True}, expansion_due_at=timezone.now()).save()
    ticks.dispatchers_wake()
    ticks.expansions_wake()
    assert woken == {"dispatch": 2, "expand": 1}


def partition_names() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'notifications_delivery'::regclass"
        )
        return sorted(name for (name,) in cursor.fetchall())


def partition_make(days_ago: int) -> str:
    day = timezone.now().date() - timedelta(days=days_ago)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pushhub_delivery_partition(%s)", [day])
    return f"notifications_delivery_{day:%Y%m%d}"


def delivery_of_old(notification: Notification, days_ago: int, state: str) -> None:
    moment = timezone.now() - timedelta(days=days_ago)
    Delivery.objects.filter(notification=notification).update(state="accepted")
    old = Delivery.objects.all()[0]
    old.id = uuid7_floor(moment)
    old.state = state
    old.save(force_insert=True)


def test_a_week_of_partitions_is_made_ahead(db: None) -> None:
    name = partition_make(-AHEAD)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")
    assert partitions_make() == []
    assert name in partition_names()


def test_old_days_are_dropped_whole(notification: Notification) -> None:
    days = settings.PUSHHUB_DELIVERY_RETENTION_DAYS
    old, young = partition_make(days + 1), partition_make(days - 1)
    delivery_of_old(notification, days + 1, "accepted")
    assert partitions_drop() == [old]
    assert young in partition_names()
    assert states(notification) == {"accepted": 3}


def test_open_rows_are_found_without_reading_the_partition(notification: Notification) -> None:
    day = partition_make(5)
    columns = "tenant_id, notification_id, device_id, lane_id, generation, due_at"
    scans = f"SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = '{day}'"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO notifications_delivery (id, {columns})"
            f" SELECT pushhub_uuid7_floor(now() - interval '5 days' + number * interval '1 ms'), {columns}"
            " FROM generate_series(1, 5000) AS number, (SELECT * FROM notifications_delivery LIMIT 1) AS one"
        )
        cursor.execute(f"ANALYZE {day}; UPDATE {day} SET state = 'accepted'")
        cursor.execute(scans)
        before = cursor.fetchone()
        assert not partition_is_open(day)
        cursor.execute(scans)
        assert cursor.fetchone() == before


@pytest.mark.django_db(transaction=True)
def test_a_long_reader_is_waited_for_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(partitions, "LOCK_WAIT", "50ms")
    days = settings.PUSHHUB_DELIVERY_RETENTION_DAYS
    old = [partition_make(days + 2), partition_make(days + 1)]
    mine = connection.connection.info
    with psycopg.connect(mine.dsn, password=mine.password) as reader:
        reader.execute("SELECT 1 FROM notifications_delivery LIMIT 1")
        assert partitions_drop() == []
    assert len(caplog.records) == 1
    assert partitions_drop() == old


@pytest.mark.parametrize("state", ["queued", "sending"])
def test_a_day_with_something_open_is_kept(
    notification: Notification, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(settings, "PUSHHUB_DELIVERY_RETENTION_DAYS", 3)
    old = partition_make(5)
    delivery_of_old(notification, 5, state)
    assert partitions_drop() == []
    assert old in partition_names()


def test_rows_in_the_default_partition_are_reported_once_a_day(notification: Notification) -> None:
    delivery_of_old(notification, 400, "accepted")
    ticks.partitions_keep()
    ticks.partitions_keep()
    alarm = Event.objects.get(type="operations.default_partition")
    assert (alarm.tenant_id, alarm.notice, json.dumps(alarm.data)) == (notification.tenant_id, True, "{}")
