"""How much each tenant is served, in deliveries over many claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import inf
from typing import Any

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from notifications.engine.dispatcher import SEND_BATCH
from notifications.engine.lanes import LanePicker, lane_close
from notifications.engine.session import engine_session, execute
from notifications.engine.settle_buffer import SETTLE_SECONDS
from notifications.expansion.expand import expansion_begin
from notifications.models import Lane, Notification
from notifications.states import DeliveryClass
from providers.stub.server import StubServer, stub_server
from tenants.models import Tenant
from tests.notifications.builders import app_make, devices_make, dispatcher_make, lane_make, notification_make, states

CLAIM = 256


def served(claims: int, *, queued: dict[int, int] | None = None, limits: tuple[int, ...] = (CLAIM,)) -> Counter[int]:
    """Deliveries by lane: each claim gets its limit, or what its lane has (`queued`; other lanes have enough)."""
    order, got = LanePicker(), Counter[int]()
    for number in range(claims):
        limit = limits[number % len(limits)]
        lane = order.pick(limit=limit)
        if lane is None:
            break
        found = min(limit, (queued or {}).get(lane.id, limit))
        got[lane.id] += found
        if found < limit:
            lane_close(lane_id=lane.id, unused=limit - found)
            Lane.objects.filter(pk=lane.id).update(next_due_at=timezone.now())
    return got


def share(got: Counter[int], *lanes: Lane) -> float:
    return sum(got[lane.pk] for lane in lanes) / got.total()


def test_two_tenants_broadcasting_share_equally(acme: Tenant, globex: Tenant) -> None:
    ours, theirs = lane_make(acme), lane_make(globex)
    assert share(served(100), ours) == share(served(100), theirs) == 0.5


def test_a_single_tenant_gets_everything(acme: Tenant, globex: Tenant) -> None:
    ours = lane_make(acme)
    lane_make(globex, due_in=None)
    assert served(10) == {ours.pk: 10 * CLAIM}


def test_several_apps_do_not_give_a_tenant_more(acme: Tenant, globex: Tenant) -> None:
    ours = [lane_make(acme, app=name) for name in ("web", "ios", "android")]
    theirs = lane_make(globex)
    got = served(120)
    assert share(got, theirs) == pytest.approx(0.5, abs=0.05)
    assert min(got[lane.pk] for lane in ours) >= 0.9 * max(got[lane.pk] for lane in ours)


def test_claims_of_different_sizes_do_not_change_the_shares(acme: Tenant, globex: Tenant) -> None:
    ours, theirs = lane_make(acme), lane_make(globex)
    got = served(100, limits=(CLAIM, CLAIM // 2))
    assert share(got, ours) == pytest.approx(share(got, theirs), abs=0.05)


def test_a_trickle_in_one_app_does_not_cost_a_tenant_its_broadcast_in_another(acme: Tenant, globex: Tenant) -> None:
    trickle, broadcast = lane_make(acme, app="ios"), lane_make(acme, app="web")
    theirs = lane_make(globex)
    got = served(200, queued={trickle.pk: 1})
    assert share(got, trickle, broadcast) == pytest.approx(0.5, abs=0.05)
    assert got[theirs.pk] > 0


def test_a_pause_gives_no_credit(acme: Tenant, globex: Tenant) -> None:
    ours, theirs = lane_make(acme), lane_make(globex, due_in=None)
    served(1_000)
    Lane.objects.filter(pk=theirs.pk).update(next_due_at=timezone.now())
    assert share(served(40), ours) == pytest.approx(0.5, abs=0.05)


def test_bulk_is_not_starved_by_a_tenant_that_sends_everything_as_transactional(acme: Tenant, globex: Tenant) -> None:
    lane_make(acme, "transactional")
    lane_make(acme, "transactional", app="ios")
    bulk = lane_make(globex)
    assert share(served(100), bulk) == 0.25


def test_transactional_claims_do_not_count_as_bulk(acme: Tenant, globex: Tenant) -> None:
    lane_make(acme, "transactional")
    ours, theirs = lane_make(acme), lane_make(globex)
    got = served(80)
    assert got[ours.pk] == got[theirs.pk] == 10 * CLAIM


NEVER_VACUUMED, VACUUMED_EMPTY = (
    f"UPDATE pg_class SET relpages = {pages}, reltuples = {rows} WHERE relname = 'notifications_lane'"
    for pages, rows in ((0, -1), (1, 0))
)


@pytest.mark.parametrize("statistics", [NEVER_VACUUMED, VACUUMED_EMPTY, "ANALYZE notifications_lane"])
def test_idle_lanes_are_not_read_by_a_pick(acme: Tenant, globex: Tenant, statistics: str) -> None:
    lane_make(acme)
    apps = [app_make(globex, f"app-{number}") for number in range(200)]
    Lane.objects.bulk_create(Lane(tenant=globex, app=app, delivery_class="bulk") for app in apps)
    with connection.cursor() as cursor:
        cursor.execute(statistics)
        with engine_session():
            before = lanes_read(cursor)
            LanePicker().pick(limit=CLAIM)
        assert lanes_read(cursor) - before < 20


def lanes_read(cursor: CursorWrapper) -> int:
    """Rows of lanes that this transaction has read."""
    cursor.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'notifications_lane'"
    )
    return int(cursor.fetchone()[0])


@pytest.fixture
def vendor() -> Iterator[StubServer]:
    with stub_server() as server:
        yield server


@pytest.mark.django_db(transaction=True)
def test_a_single_notification_waits_for_no_more_than_what_was_claimed(
    acme: Tenant, globex: Tenant, vendor: StubServer
) -> None:
    """Of a broadcast's 1,000 deliveries, at most the window's go out between its acceptance and its own delivery."""
    window, broadcast = 64, to_devices(acme, vendor, 1_000, delivery_class="bulk")
    single = to_devices(globex, vendor, 1)
    dispatcher = dispatcher_make(window=window)
    expansion_begin(notification=broadcast)

    def stopping() -> bool:
        if not before and len(vendor.received) > 100:
            before.append(len(vendor.received))
            expansion_begin(notification=single)
        return states(single) == {"accepted": 1}

    before: list[int] = []
    dispatcher.run(seconds=60, stopping=stopping)
    dispatcher.close()
    assert sent(vendor).index(str(single.id)) - before[0] <= 2 * window


@pytest.mark.django_db(transaction=True)
def test_a_single_notification_goes_between_the_batches_of_a_broadcast(
    acme: Tenant, globex: Tenant, vendor: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.received.clear()
    broadcast = to_devices(acme, vendor, 300, delivery_class="bulk")
    single = to_devices(globex, vendor, 1)
    expansion_begin(notification=broadcast)
    singles = [single]

    def accepted_meanwhile(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        if singles:
            expansion_begin(notification=singles.pop())
        return execute(statement, parameters)

    monkeypatch.setattr("notifications.engine.send.execute", accepted_meanwhile)
    dispatcher = dispatcher_make()
    dispatcher.run(seconds=60)
    dispatcher.close()
    assert sent(vendor).index(str(single.id)) < 2 * SEND_BATCH


@pytest.mark.django_db(transaction=True)
def test_bulk_keeps_a_fifth_of_what_is_sent(acme: Tenant, globex: Tenant, vendor: StubServer) -> None:
    dispatcher = dispatcher_make()
    expansion_begin(notification=to_devices(acme, vendor, 600))  # the host may have all of the window afterwards
    dispatcher.run(seconds=60)
    vendor.received.clear()
    bulk = to_devices(acme, vendor, 512, delivery_class="bulk")
    for notification in (bulk, *(to_devices(globex, vendor, 1_000) for _ in range(3))):
        expansion_begin(notification=notification)
    dispatcher.run(seconds=60, stopping=lambda: states(bulk) == {"accepted": 512})
    dispatcher.close()
    ids = sent(vendor)
    assert 2 * 512 <= len(ids) - ids.count(str(bulk.id)) <= 4 * 512 + 256


@pytest.mark.django_db(transaction=True)
def test_a_transactional_result_waits_for_no_bulk_one(
    acme: Tenant, globex: Tenant, vendor: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for delivery_class in DeliveryClass:
        monkeypatch.setitem(SETTLE_SECONDS, delivery_class, inf)
    bulk = to_devices(acme, vendor, 1, token="stub:slow", delivery_class="bulk")
    single = to_devices(globex, vendor, 1)
    for notification in (bulk, single):
        expansion_begin(notification=notification)
    seen: list[Counter[str]] = []

    def stopping() -> bool:
        seen.append(states(bulk))
        return states(single) == {"accepted": 1}

    dispatcher = dispatcher_make()
    dispatcher.run(seconds=60, stopping=stopping)
    dispatcher.close()
    assert seen[-1] == {"sending": 1}


def sent(vendor: StubServer) -> list[str]:
    """The notifications of what was received, in its order."""
    return [payload["pushhub"]["notification"] for _, payload in vendor.received]


def to_devices(tenant: Tenant, vendor: StubServer, count: int, token: str = "stub:ok", **columns: str) -> Notification:
    devices = devices_make(tenant, count, app=app_make(tenant, url=vendor.url), token=token)
    return notification_make(tenant, {"devices": [str(device.device_id) for device in devices]}, **columns)
