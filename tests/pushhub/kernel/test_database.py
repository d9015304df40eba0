"""Hot statements and the health of connections."""

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
from pushhub.kernel.database import columns, database_now, row_build, statement_run
from pushhub.kernel.postgresql import base
from tenants.models import Tenant


def test_a_statement_is_planned_once(db: None) -> None:
    for number in range(3):
        assert statement_run("SELECT %(number)s::int + 40", {"number": number}) == [(number + 40,)]
    prepared = statement_run(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %(like)s", {"like": "%+ 40"}
    )
    assert prepared == [(1,)]


def test_a_statement_without_rows_answers_none(db: None) -> None:
    assert statement_run("DELETE FROM tenants_tenant WHERE slug = %(slug)s", {"slug": "acme"}) == []


def test_statements_are_seen_by_djangos_log_of_queries(db: None) -> None:
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


def test_rows_are_what_the_orm_would_have_read(db: None) -> None:
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
    """The connection, just found healthy; its server process."""
    connection.ensure_connection()
    assert connection.is_usable()
    return int(statement_run("SELECT pg_backend_pid()", {})[0][0])


@pytest.mark.parametrize(("seconds", "usable"), [(60, True), (0, False)])
def test_the_server_is_asked_every_few_seconds_only(
    checked: int, monkeypatch: pytest.MonkeyPatch, seconds: int, usable: bool
) -> None:
    monkeypatch.setattr(postgresql.DatabaseWrapper, "is_usable", lambda self: False)
    monkeypatch.setattr(base, "BELIEVED_SECONDS", seconds)
    assert connection.is_usable() is usable


def test_a_connection_that_the_server_has_ended_is_noticed_at_once(checked: int) -> None:
    with psycopg.connect(connection.connection.info.dsn, password=connection.connection.info.password) as operator:
        operator.execute("SELECT pg_terminate_backend(%s, 5000)", [checked])
    assert not connection.is_usable()
    connection.close()


def queries_of(call: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        call()
    return len(queries)


@pytest.fixture
def _clock_read(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_reading", None)
    database_now()


@pytest.mark.usefixtures("_clock_read")
def test_the_databases_clock_is_not_asked_for_each_time() -> None:
    assert queries_of(database_now) == 0
    [(now,)] = statement_run("SELECT clock_timestamp()", {})
    assert abs(database_now() - now) < timedelta(seconds=0.5)


@pytest.mark.usefixtures("_clock_read")
@pytest.mark.parametrize(("wall", "monotonic"), [(3600, 0), (-3600, 0), (61, 61)])
def test_when_a_minute_passed_or_the_hosts_clock_jumped_it_is(
    monkeypatch: pytest.MonkeyPatch, wall: float, monotonic: float
) -> None:
    clocks = SimpleNamespace(time=lambda: time.time() + wall, monotonic=lambda: time.monotonic() + monotonic)
    monkeypatch.setattr(database, "time", clocks)
    assert queries_of(database_now) == 1
    assert queries_of(database_now) == 0
