"""Several processes work on the same rows: here threads, each with its own connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from devices.models import Device
from events.models import Event
from notifications.engine.claim import claim
from notifications.engine.lanes import LanePicker, lane_wakeups_apply
from notifications.expansion import expand
from notifications.expansion.expand import expansion_begin, expansion_step
from notifications.models import CountDelta, Delivery, Notification
from notifications.upkeep import ticks
from tenants.models import Tenant
from tests.notifications.builders import devices_make, notification_make

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 4


def together(work: Callable[[], object]) -> None:
    def run(_: int) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(run, range(WORKERS)))


def expand_in_a_session() -> None:
    """Expand chunk after chunk on a connection named `expanding`, until nothing is left or the connection is cut."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET application_name = 'expanding'")
        while expansion_step():
            pass
    finally:
        connection.close()


def session_end_in(seconds: float) -> int:
    """Cut the connection `expanding` after so many seconds, as a crash would; whether there was one."""
    time.sleep(seconds)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'expanding'")
        return len(cursor.fetchall())


@pytest.fixture
def notification(acme: Tenant) -> Notification:
    devices_make(acme, 200, user="alice")
    return notification_make(acme, {"all": True})


def test_concurrent_expansions_reach_each_device_once(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expand, "CHUNK", 10)
    expansion_begin(notification=notification)

    def work() -> None:
        while Notification.objects.filter(expansion_due_at__isnull=False).exists():
            expansion_step()

    together(work)
    assert Delivery.objects.count() == Delivery.objects.values("device_id").distinct().count() == 200
    notification.refresh_from_db()
    assert notification.total == 200


def test_concurrent_claims_claim_each_delivery_once(notification: Notification) -> None:
    expansion_begin(notification=notification)
    expansion_step()
    lane_wakeups_apply()
    claimed: list[object] = []

    def work() -> None:
        turns = LanePicker()
        while Delivery.objects.filter(state="queued").exists():
            if lane := turns.pick(limit=20):
                taken = claim(lane=lane, limit=20, lease_seconds=60, send_seconds=10)
                claimed.extend(delivery.id for delivery in taken.deliveries)

    together(work)
    assert len(claimed) == len(set(claimed)) == 200


def test_an_expansion_that_is_interrupted_repeatedly_reaches_each_device_once(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expand, "CHUNK", 5)
    expansion_begin(notification=notification)
    cuts = 0
    while Notification.objects.filter(expansion_due_at__isnull=False).exists():
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(expand_in_a_session)
            cuts += session_end_in(0.05)
            working.exception()
    assert cuts
    reached = Delivery.objects.order_by("id").values_list("device_id", flat=True)
    assert list(reached) == list(Device.objects.order_by("id").values_list("pk", flat=True))
    notification.refresh_from_db()
    queued = CountDelta.objects.values_list("counts__queued", flat=True)
    assert notification.total == sum(queued) == len(reached) == 200


def test_two_beats_at_once_are_harmless(notification: Notification) -> None:
    expansion_begin(notification=notification)
    expansion_step()
    Delivery.objects.update(state="accepted")
    CountDelta.objects.bulk_create(
        CountDelta(notification_id=notification.id, counts={"queued": -1, "accepted": 1}) for _ in range(200)
    )
    together(ticks.second)
    ticks.second()
    notification.refresh_from_db()
    assert (notification.counts, notification.state) == ({"accepted": 200}, "completed")
    assert Event.objects.filter(type="notification.completed").count() == 1
