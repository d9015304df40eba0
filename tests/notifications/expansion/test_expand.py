from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import connection
from django.utils import timezone

from devices.models import App, EndpointState
from notifications.expansion import expand, sql
from notifications.expansion.expand import expansion_begin, expansion_step
from notifications.models import CountDelta, Delivery, ExpansionTurn, Lane, LaneWakeup, Notification, Topic
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant
from tests.notifications.builders import app_make, devices_make, notification_make


def reached(notification: Notification) -> list[int]:
    return list(Delivery.objects.filter(notification=notification).order_by("id").values_list("device_id", flat=True))


def test_a_users_devices_become_deliveries_inside_the_accepting_transaction(acme: Tenant) -> None:
    devices = devices_make(acme, 3, user="alice")
    devices_make(acme, 2, user="bob")
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    notification.refresh_from_db()
    assert reached(notification) == [device.pk for device in devices]
    assert (notification.state, notification.total, notification.expansion_due_at) == ("sending", 3, None)


def test_the_lane_is_signalled_and_the_deliveries_are_counted(acme: Tenant) -> None:
    devices_make(acme, 3, user="alice")
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    assert list(LaneWakeup.objects.values_list("lane_id", flat=True)) == [Lane.objects.get().pk]
    assert list(CountDelta.objects.values_list("notification_id", "counts")) == [(notification.id, {"queued": 3})]


def test_devices_are_reached_by_their_own_ids(acme: Tenant) -> None:
    first, _, third = devices_make(acme, 3)
    notification = notification_make(acme, {"devices": [str(third.device_id), str(first.device_id)]})
    expansion_begin(notification=notification)
    assert reached(notification) == [first.pk, third.pk]


def test_another_tenants_devices_are_not_reached(acme: Tenant, globex: Tenant) -> None:
    (theirs,) = devices_make(globex, user="alice")
    by_id = notification_make(acme, {"devices": [str(theirs.device_id)]})
    by_user = notification_make(acme, {"users": ["alice"]})
    for notification in (by_id, by_user):
        expansion_begin(notification=notification)
        assert reached(notification) == []


@pytest.mark.parametrize("state", [EndpointState.GONE, EndpointState.DISABLED, EndpointState.NONE])
def test_an_endpoint_that_cannot_be_sent_to_gets_no_delivery(acme: Tenant, state: str) -> None:
    devices_make(acme, user="alice", endpoint_state=state, endpoint_changed_at=timezone.now() - timedelta(minutes=2))
    (waiting,) = devices_make(acme, user="alice", endpoint_state=EndpointState.PENDING)
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    assert reached(notification) == [waiting.pk]


def test_an_endpoint_reported_gone_within_the_last_minute_gets_a_delivery(acme: Tenant) -> None:
    """It may be part of a gone spike: then the delivery is restored with the device, and the POST is not repeated."""
    (recent,) = devices_make(acme, user="alice", endpoint_state=EndpointState.GONE)
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    assert reached(notification) == [recent.pk]


def test_removed_devices_get_no_delivery(acme: Tenant) -> None:
    devices_make(acme, user="alice", deleted_at=timezone.now())
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    assert reached(notification) == []


def test_a_large_audience_is_expanded_in_chunks_each_device_once(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "CHUNK", 4)
    devices = devices_make(acme, 10)
    notification = notification_make(acme, {"all": True}, delivery_class="bulk")
    expansion_begin(notification=notification)
    assert reached(notification) == []
    steps = 0
    while expansion_step():
        steps += 1
    assert steps == 3
    assert reached(notification) == [device.pk for device in devices]


def test_more_devices_than_fit_the_accepting_transaction_follow_later(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expand, "INLINE", 4)
    devices = devices_make(acme, 10, user="alice")
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    assert len(reached(notification)) == 4
    assert expansion_step()
    assert reached(notification) == [device.pk for device in devices]


@pytest.mark.parametrize("small", [0, 10_000])
def test_a_topic_reaches_users_and_devices_once_each(acme: Tenant, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    monkeypatch.setattr("notifications.expansion.audience.TOPIC_SMALL", small)
    alices = devices_make(acme, 2, user="alice")
    (own,) = devices_make(acme)
    devices_make(acme, user="bob")
    topic = Topic.objects.create(tenant=acme, name="updates")
    topic.subscriptions.create(tenant=acme, user=alices[0].user)
    topic.subscriptions.create(tenant=acme, device=alices[1])
    topic.subscriptions.create(tenant=acme, device=own)
    notification = notification_make(acme, {"topic": "updates"}, delivery_class="bulk")
    expansion_begin(notification=notification)
    expansion_step()
    assert reached(notification) == [alices[0].pk, alices[1].pk, own.pk]


def test_a_chunk_of_a_large_topic_looks_at_a_limited_number_of_devices(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.expansion.audience.TOPIC_SMALL", 0)
    monkeypatch.setattr(expand, "LOOK", 4)
    devices = devices_make(acme, 10)
    topic = Topic.objects.create(tenant=acme, name="updates")
    for device in (devices[1], devices[9]):
        topic.subscriptions.create(tenant=acme, device=device)
    notification = notification_make(acme, {"topic": "updates"}, delivery_class="bulk")
    expansion_begin(notification=notification)
    assert expansion_step()
    notification.refresh_from_db()
    assert (notification.expansion_cursor, reached(notification)) == (devices[3].pk, [devices[1].pk])
    while expansion_step():
        pass
    assert reached(notification) == [devices[1].pk, devices[9].pk]


def test_an_unknown_topic_has_no_audience(acme: Tenant) -> None:
    notification = notification_make(acme, {"topic": "nothing"})
    expansion_begin(notification=notification)
    assert expansion_step()
    notification.refresh_from_db()
    assert (notification.state, notification.total) == ("sending", 0)


def test_a_scheduled_notification_is_expanded_when_it_is_due(acme: Tenant) -> None:
    devices_make(acme, user="alice")
    later = timezone.now() + timedelta(minutes=5)
    notification = notification_make(acme, {"users": ["alice"]}, send_at=later)
    expansion_begin(notification=notification)
    assert notification.state == "scheduled"
    assert not expansion_step()
    Notification.objects.update(expansion_due_at=timezone.now(), send_at=timezone.now())
    assert expansion_step()
    assert len(reached(notification)) == 1


def test_the_rate_spreads_the_due_times(acme: Tenant) -> None:
    devices_make(acme, 4, user="alice")
    notification = notification_make(acme, {"users": ["alice"]}, rate=2)
    expansion_begin(notification=notification)
    due = list(Delivery.objects.order_by("due_at").values_list("due_at", flat=True))
    assert [later - earlier for earlier, later in pairwise(due)] == [timedelta(seconds=0.5)] * 3


@pytest.mark.parametrize("columns", [{"reason": "held"}, {"reason": "endpoint_pending"}, {"attempt": 1}])
def test_a_delivery_that_waits_for_its_own_reason_delays_no_other(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch, columns: dict[str, Any]
) -> None:
    monkeypatch.setattr(expand, "CHUNK", 2)
    devices_make(acme, 3)
    notification = notification_make(acme, {"all": True}, rate=2)
    expansion_begin(notification=notification)
    expansion_step()
    Delivery.objects.update(due_at=notification.expires_at, **columns)
    expansion_step()
    assert Delivery.objects.order_by("-id")[0].due_at < notification.expires_at


@pytest.mark.parametrize("late", [0, 60])
def test_the_rate_holds_from_one_chunk_to_the_next(acme: Tenant, monkeypatch: pytest.MonkeyPatch, late: int) -> None:
    monkeypatch.setattr(expand, "CHUNK", 3)
    devices_make(acme, 10)
    expansion_begin(notification=notification_make(acme, {"all": True}, rate=2))
    Notification.objects.update(created_at=timezone.now() - timedelta(seconds=late))
    while expansion_step():
        pass
    due = list(Delivery.objects.order_by("device_id").values_list("due_at", flat=True))
    assert [later - earlier for earlier, later in pairwise(due)] == [timedelta(seconds=0.5)] * 9


def test_a_host_whose_clock_is_ahead_does_not_end_an_expansion(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = devices_make(acme, 2)
    notification = notification_make(acme, {"all": True})
    expansion_begin(notification=notification)
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr(timezone, "now", lambda: tomorrow)
    assert expansion_step()
    assert reached(notification) == [device.pk for device in devices]


def test_a_host_whose_clock_is_ahead_does_not_delay_a_broadcast(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = devices_make(acme, 2)
    notification = notification_make(acme, {"all": True})
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    expansion_begin(notification=notification)
    assert expansion_step()
    assert reached(notification) == [device.pk for device in devices]


def test_expansion_waits_while_too_many_are_unsent(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "AHEAD", 5)
    devices_make(acme, 10)
    notification = notification_make(acme, {"all": True})
    expansion_begin(notification=notification)
    assert expansion_step()
    assert expansion_step()
    assert len(reached(notification)) == 5
    assert not expansion_step()
    CountDelta.objects.create(notification_id=notification.id, counts={"queued": -5, "accepted": 5})
    Notification.objects.update(expansion_due_at=timezone.now())
    assert expansion_step()
    assert len(reached(notification)) == 10


def test_deliveries_of_a_misconfigured_app_do_not_delay_the_others(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expand, "AHEAD", 5)
    broken = app_make(acme, "broken")
    devices_make(acme, 5, app=broken)
    devices_make(acme, 5)
    App.objects.filter(id=broken.id).update(state="misconfigured")
    notification = notification_make(acme, {"all": True})
    expansion_begin(notification=notification)
    assert expansion_step()
    assert expansion_step()
    assert len(reached(notification)) == 10


def test_a_cancelled_or_expired_notification_is_not_expanded_further(acme: Tenant) -> None:
    devices_make(acme, 2)
    notification = notification_make(acme, {"all": True}, expires_at=timezone.now())
    expansion_begin(notification=notification)
    assert expansion_step()
    notification.refresh_from_db()
    assert reached(notification) == []
    assert notification.expanded_at is not None


def test_the_tenant_that_waited_longest_is_expanded_first(acme: Tenant, globex: Tenant) -> None:
    ours, theirs = (notification_make(tenant, {"all": True}) for tenant in (acme, globex))
    for notification in (ours, theirs):
        devices_make(notification.tenant)
        expansion_begin(notification=notification)
    ExpansionTurn.objects.create(tenant=acme, served_at=timezone.now())
    ExpansionTurn.objects.create(tenant=globex, served_at=timezone.now() - timedelta(hours=1))
    expansion_step()
    assert (len(reached(ours)), len(reached(theirs))) == (0, 1)


def test_cursor_and_rows_are_undone_together(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    devices_make(acme, 3)
    notification = notification_make(acme, {"all": True})
    expansion_begin(notification=notification)
    with monkeypatch.context() as patch:
        patch.setattr(Notification, "save", Mock(side_effect=RuntimeError))
        with pytest.raises(RuntimeError):
            expansion_step()
    assert reached(notification) == []
    expansion_step()
    assert len(reached(notification)) == 3


@pytest.fixture
def no_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes cannot be made."""
    monkeypatch.setattr(sql, "LANES_ENSURE", "SELECT %(tenant)s::uuid, %(class)s::text")


@pytest.mark.usefixtures("no_lanes")
def test_a_post_without_a_lane_is_refused_and_may_be_repeated(acme: Tenant) -> None:
    devices_make(acme, user="alice")
    with pytest.raises(ApiError) as refused:
        expansion_begin(notification=notification_make(acme, {"users": ["alice"]}))
    assert (refused.value.code, refused.value.retry_after) == (ErrorCode.UNAVAILABLE, 1)
    assert not Notification.objects.exists()


@pytest.mark.usefixtures("no_lanes")
def test_an_expansion_without_a_lane_waits_and_does_not_stop_the_others(acme: Tenant, globex: Tenant) -> None:
    devices_make(acme)
    stuck, other = (notification_make(tenant, {"all": True}) for tenant in (acme, globex))
    for notification in (stuck, other):
        expansion_begin(notification=notification)
    assert [expansion_step() for _ in range(3)] == [True, True, False]
    stuck.refresh_from_db()
    other.refresh_from_db()
    assert (stuck.state, other.state) == ("queued", "sending")
    assert stuck.expansion_due_at is not None


def test_lanes_of_every_app_are_made_once(acme: Tenant) -> None:
    app_make(acme, "web")
    devices_make(acme, user="alice", app=app_make(acme, "phone"))
    for _ in range(2):
        expansion_begin(notification=notification_make(acme, {"users": ["alice"]}))
    assert Lane.objects.filter(tenant=acme).count() == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM notifications_delivery_default")
        assert cursor.fetchone() == (0,)
