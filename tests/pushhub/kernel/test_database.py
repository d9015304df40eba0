"""Frequent statements, the health check of connections, and the database's clock."""

import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import psycopg
import pytest
from django.db import connection
from django.db.backends.postgresql import base as postgresql
from django.test.utils import CaptureQueriesContext

from pushhub.kernel import database
from pushhub.kernel.database import DatabaseClock, columns, row_build, statement_run
from pushhub.kernel.postgresql import base
from tenants.models import Tenant


def test_a_statement_is_planned_once(db: None) -> None:
    for number in range(3):
        assert statement_run("SELECT %(number)s::int + 40", {"number": number}) == [(number + 40,)]
    prepared = statement_run(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %(like)s", {"like": "%+ 40"}
    )
    assert prepared == [(1,)]


def test_a_statement_without_rows_returns_an_empty_list(db: None) -> None:
    assert statement_run("DELETE FROM tenants_tenant WHERE slug = %(slug)s", {"slug": "acme"}) == []


def test_djangos_query_log_contains_the_statements(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        for _ in range(2):
            statement_run("SELECT 41", {})
    assert [query["sql"] for query in queries] == ["SELECT 41", "SELECT 41"]


def test_large_statements_do_not_stay_in_memory(db: None) -> None:
    tracemalloc.start()
    try:
        with connection.cursor() as cursor:
            for number in range(20):
                cursor.execute("SELECT length(%s)", [f"{number}" + "x" * 1_000_000])
        assert tracemalloc.get_traced_memory()[0] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_built_row_is_equal_to_one_that_the_orm_reads(db: None) -> None:
    tenant = Tenant.objects.create(slug="acme", push_hosts=["push.example.org"], rate_limits={"server": 5})
    ((*values, extra),) = statement_run(f"SELECT {columns(Tenant, 't')}, 7 FROM tenants_tenant t", {})
    row, rest = row_build(Tenant, (*values, extra))
    assert rest == (7,)
    read = Tenant.objects.get(id=tenant.id)
    assert {name: getattr(row, name) for name in vars(read) if name != "_state"} == {
        name: value for name, value in vars(read).items() if name != "_state"
    }


@pytest.fixture
def checked(transactional_db: None) -> int:
    """Checks the connection. The value is the pid of its server process."""
    connection.ensure_connection()
    assert connection.is_usable()
    return int(statement_run("SELECT pg_backend_pid()", {})[0][0])


@pytest.mark.parametrize(("seconds", "usable"), [(60, True), (0, False)])
def test_the_server_is_asked_only_every_few_seconds(
    checked: int, monkeypatch: pytest.MonkeyPatch, seconds: int, usable: bool
) -> None:
    monkeypatch.setattr(postgresql.DatabaseWrapper, "is_usable", lambda self: False)
    monkeypatch.setattr(base, "CHECK_SECONDS", seconds)
    assert connection.is_usable() is usable


def test_a_connection_that_the_server_has_ended_is_noticed_at_once(checked: int) -> None:
    with psycopg.connect(connection.connection.info.dsn, password=connection.connection.info.password) as operator:
        operator.execute("SELECT pg_terminate_backend(%s, 5000)", [checked])
    assert not connection.is_usable()
    connection.close()


def number_of_queries(call: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        call()
    return len(queries)


@pytest.fixture
def clock(db: None) -> DatabaseClock:
    """A clock with a fresh reading."""
    clock = DatabaseClock()
    clock.now()
    return clock


def test_a_reading_of_the_clock_is_used_again(clock: DatabaseClock) -> None:
    assert number_of_queries(clock.now) == 0
    [(now,)] = statement_run("SELECT clock_timestamp()", {})
    assert abs(clock.now() - now) < timedelta(seconds=0.5)


@pytest.mark.parametrize(("wall", "monotonic"), [(3600, 0), (-3600, 0), (61, 61)])
def test_the_clock_is_read_again_after_a_minute_and_after_a_jump(
    clock: DatabaseClock, monkeypatch: pytest.MonkeyPatch, wall: float, monotonic: float
) -> None:
    clocks = SimpleNamespace(time=lambda: time.time() + wall, monotonic=lambda: time.monotonic() + monotonic)
    monkeypatch.setattr(database, "time", clocks)
    assert number_of_queries(clock.now) == 1
    assert number_of_queries(clock.now) == 0
