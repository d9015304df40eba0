"""Which indexes the statements use, and that other rows cost nothing: plans and pages, never durations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone

from devices.models import App
from notifications import receipts, selectors
from notifications.engine import session, sql
from notifications.expansion.expand import expansion_begin
from notifications.models import Lane, Notification
from notifications.states import FAILED
from notifications.upkeep import sql as sql_upkeep
from tenants.models import Tenant
from tests.notifications.builders import devices_make, notification_make

DAYS = 10
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
BOUNDS = [f"'{UUID(int=0)}'", f"'{UUID(int=2**128 - 1)}'"]  # a lower and an upper bound
LITERALS = {"uuid[]": "'{}'", "timestamp with time zone": "now()"}


@pytest.fixture
def notification(acme: Tenant) -> Iterator[Notification]:
    """300 queued deliveries, ten days of partitions before today's, and the engine's session."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pushhub_delivery_partition(current_date - ago) FROM generate_series(1, %s) AS ago", [DAYS]
        )
    devices_make(acme, 300, user="alice")
    notification = notification_make(acme, {"users": ["alice"]})
    expansion_begin(notification=notification)
    with session.engine_session():
        yield notification


def partitions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'notifications_delivery'::regclass")
        return int(cursor.fetchone()[0])


def plan(statement: str, parameters: dict[str, Any]) -> str:
    """The plan of the engine's prepared statement, one line for each node."""
    mark = f"-- {uuid4()}\n"
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        session.execute(mark + statement, parameters)
        find = "SELECT name, parameter_types::text[] FROM pg_prepared_statements WHERE statement LIKE %s"
        cursor.execute(find, [f"{mark}%"])
        name, types = cursor.fetchone()
        bounds = cycle(BOUNDS)
        values = ", ".join(next(bounds) if kind == "uuid" else LITERALS.get(kind, "NULL") for kind in types)
        cursor.execute(f'EXPLAIN (COSTS OFF) EXECUTE "{name}"' + (f" ({values})" if types else ""))
        found = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("ROLLBACK TO before")
    return found


def pages(statement: str, parameters: dict[str, Any]) -> int:
    """How many pages the statement touches. Its effects are rolled back."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        rows = session.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {statement}", parameters)
        cursor.execute("ROLLBACK TO before")
    found = next(re.findall(r"(?:hit|read)=(\d+)", line) for (line,) in rows if "Buffers" in line)
    return sum(map(int, found))


def claim_of(notification: Notification, *, limit: int = 200) -> dict[str, Any]:
    lane = Lane.objects.get(tenant=notification.tenant_id).pk
    return {"lane": lane, "limit": limit, "lease": uuid4(), "seconds": 60.0, "start": LONG_AGO}


ONE = UUID(int=1)
SETTLE = {
    "ids": [ONE],
    "leases": [ONE],
    "states": ["accepted"],
    "waits": [0.0],
    "attempts": [1],
    "message_ids": [""],
    "reasons": [""],
    "claimed": ["sending"],
    "expired": "expired",
    "endpoint_pending": "endpoint_pending",
}


def test_a_claim_takes_its_rows_from_the_due_index_of_every_day(notification: Notification) -> None:
    found = plan(sql.CLAIM, claim_of(notification))
    assert found.count("_lane_id_due_at_idx on notifications_delivery") == partitions()
    assert found.count("AND (due_at >= $2)") == partitions()
    assert len(re.findall(r"_pkey on notifications_delivery\w+ delivery", found)) == partitions()
    assert "Seq Scan" not in found
    assert "-> Sort" not in " ".join(found.split())


def test_results_are_settled_by_key(notification: Notification) -> None:
    found = plan(sql.SETTLE, SETTLE)
    by_key = r"_pkey on notifications_delivery\w+ \w+ Index Cond: \(id = result\.id\)"
    scans = re.findall(by_key, " ".join(found.split()))
    assert len(scans) == partitions()
    assert "Seq Scan" not in found


@pytest.mark.parametrize(
    ("statement", "index"), [("LANE_CLOSE", "_lane_id_due_at_idx"), ("LEASES_RELEASE", "_lease_expires_at_idx")]
)
def test_all_partitions_are_read_by_their_indexes(notification: Notification, statement: str, index: str) -> None:
    parameters = {"lane": 1, "shared": [1], "unused": 0, "cap": 3, "reason": ""}
    found = plan(getattr(sql, statement, None) or getattr(sql_upkeep, statement), parameters)
    assert found.count(f"{index} on notifications_delivery") == partitions()
    assert "Seq Scan" not in found


@pytest.mark.parametrize("statement", ["LANE_PICK", "WORK_DUE", "URGENT_DUE"])
def test_the_next_lane_is_the_first_of_its_index(notification: Notification, statement: str) -> None:
    found = plan(getattr(sql, statement), {"class": "bulk", "limit": 1, "max_deficit": 1})
    assert "lane_due on notifications_lane" in found
    assert "-> Sort" not in " ".join(found.split())


def test_unfolded_counts_are_found_by_their_notification(notification: Notification) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (COSTS OFF) {selectors.TALLY}", [notification.tenant_id, notification.id])
        found = "\n".join(row[0] for row in cursor.fetchall())
    assert found.count("count_delta_notification on notifications_countdelta") == 2
    assert "Seq Scan" not in found


@pytest.mark.parametrize(
    ("state", "index"),
    [(None, "_notification_id_id_idx"), *((state, "_notification_id_state_id_idx") for state in FAILED)],
)
def test_a_page_of_deliveries_comes_out_of_its_index_in_order(
    notification: Notification, state: str | None, index: str
) -> None:
    rows = selectors.delivery_list(tenant=notification.tenant, notification_id=notification.id, state=state)
    found = rows.order_by("id")[:51].explain()
    assert found.count(index) == partitions()
    assert "-> Sort" not in " ".join(found.split())


def idle_lanes_make(tenant: Tenant, count: int) -> None:
    apps = App.objects.bulk_create(
        App(tenant=tenant, name=f"idle-{number}", provider="stub") for number in range(count)
    )
    Lane.objects.bulk_create(Lane(tenant=tenant, app=app, delivery_class="transactional") for app in apps)


def test_idle_lanes_cost_a_pick_nothing(notification: Notification, globex: Tenant) -> None:
    parameters = {"class": "transactional", "limit": 1, "max_deficit": 1}
    Lane.objects.update(next_due_at=timezone.now())
    statements = {sql.LANE_PICK: parameters, sql.WORK_DUE: {}, sql.URGENT_DUE: {}}
    alone = {statement: pages(statement, given) for statement, given in statements.items()}
    idle_lanes_make(globex, 1_000)
    for statement, given in statements.items():
        assert pages(statement, given) <= alone[statement] + 4


def test_old_deliveries_cost_a_claim_nothing(notification: Notification) -> None:
    alone = pages(sql.CLAIM, claim_of(notification, limit=1))
    columns = "tenant_id, notification_id, device_id, lane_id, generation, due_at"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO notifications_delivery (id, state, {columns}) SELECT"
            f" pushhub_uuid7_floor(now() - number * interval '3 minutes'), 'accepted', {columns}"
            " FROM generate_series(500, 4500) AS number, (SELECT * FROM notifications_delivery LIMIT 1) AS one"
        )
    assert pages(sql.CLAIM, claim_of(notification, limit=1)) <= alone + 4


def test_receipts_are_applied_by_key_alone(notification: Notification) -> None:
    """With a range of ids as a second condition, the planner reads a broadcast that is not in its statistics yet."""
    updates = {"ids": [ONE], "states": ["delivered"], "reasons": [""], "origins": ["accepted"]}
    found = plan(receipts.APPLY, updates)
    assert found.count("Index Cond: (id = ") == 2 * partitions()
    assert "id >=" not in found
