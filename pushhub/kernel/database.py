"""Frequent statements, run on Django's own connection with values in binary, and the database's clock. All other
statements are written and run by Django's ORM."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Self, TypeVar

import psycopg
from django.db import connection
from django.db.models import Model
from psycopg._queries import PostgresQuery
from typing_extensions import override

Row = TypeVar("Row", bound=Model)

CLOCK_SECONDS: Final = 60.0  # how long a reading is used: two quartz clocks drift apart by some milliseconds in it
CLOCK_JUMP: Final = 1.0  # seconds: a larger difference means that the host's clock was set or that the host slept


@dataclass(frozen=True, slots=True)
class _Reading:
    """The time of the database, and the host's clocks at the moment of its response: monotonic and Unix seconds."""

    database: datetime
    monotonic: float
    wall: float


class DatabaseClock:
    """The database's clock, read once a minute and whenever the host's clock has jumped.

    Between two readings the host's monotonic clock is used, because the clocks of two hosts may differ.
    """

    def __init__(self) -> None:
        self._reading: _Reading | None = None

    def now(self) -> datetime:
        """Never ahead of the database's clock. Raises django.db.DatabaseError."""
        reading = self._reading
        if reading is not None:
            elapsed = time.monotonic() - reading.monotonic
            if elapsed < CLOCK_SECONDS and abs(time.time() - reading.wall - elapsed) < CLOCK_JUMP:
                return reading.database + timedelta(seconds=elapsed)
        ((now,),) = statement_run("SELECT clock_timestamp()", {})
        self._reading = _Reading(now, time.monotonic(), time.time())
        return self._reading.database


database_now = DatabaseClock().now


def statement_run(statement: str, parameters: Mapping[str, Any], *, plan_kept: bool = True) -> list[tuple[Any, ...]]:
    """The rows of a statement that PostgreSQL plans once per connection. Raises django.db.DatabaseError.

    Measured: a look-up by key then takes a quarter of the CPU time, here and in PostgreSQL. Use `plan_kept=False` for a
    statement over thousands of rows, because its best plan depends on the current size of its tables.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    kind = _Cursor if plan_kept else _PlanningCursor
    with connection._prepare_cursor(kind(connection.connection)) as cursor:  # type: ignore[attr-defined]
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []


class _Cursor(psycopg.Cursor[Any]):
    """A cursor that Django's wrappers can use, though they have no option to prepare a statement. With the wrappers,
    tests see and count these statements too."""

    plan_kept = True

    @override
    def execute(self, query: Any, params: Any = None, **_: Any) -> Self:
        super().execute(query, params, prepare=self.plan_kept, binary=True)
        if self._query is None:  # psycopg drops the text of a prepared statement, but Django's query log needs it
            self._query = PostgresQuery(self._tx)
            self._query.query = query.encode()
        return self


class _PlanningCursor(_Cursor):
    plan_kept = False


def columns(model: type[Model], alias: str) -> str:
    """The select list of all columns of a model. `row_build` makes a model instance of their values."""
    return ", ".join(f"{alias}.{name}" for name in _columns(model))


def row_build(model: type[Row], values: tuple[Any, ...]) -> tuple[Row, tuple[Any, ...]]:
    """A model instance from the values of its `columns`, and the remaining values."""
    names = _columns(model)
    return model.from_db(connection.alias, names, values[: len(names)]), values[len(names) :]


@cache
def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
