"""Hot statements on Django's own connection, values in binary, and the database's clock. The other statements are
Django's to write and run."""

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

CLOCK_KEPT: Final = 60.0  # seconds: two quartzes part by some milliseconds meanwhile
CLOCK_JUMP: Final = 1.0  # seconds by which the host's clock was set, or the host slept


@dataclass(frozen=True, slots=True)
class _Reading:
    """The database's clock, and the host's two when its answer came: seconds, and Unix seconds."""

    database: datetime
    monotonic: float
    wall: float


_reading: _Reading | None = None


def database_now() -> datetime:
    """By the database's clock, never ahead of it: hosts may differ. Asks for it once a minute per process, and whenever
    the host's clock has jumped. Raises django.db.DatabaseError."""
    global _reading
    reading = _reading
    if reading is not None:
        elapsed = time.monotonic() - reading.monotonic
        if elapsed < CLOCK_KEPT and abs(time.time() - reading.wall - elapsed) < CLOCK_JUMP:
            return reading.database + timedelta(seconds=elapsed)
    ((now,),) = statement_run("SELECT clock_timestamp()", {})
    _reading = _Reading(now, time.monotonic(), time.time())
    return _reading.database


def statement_run(statement: str, parameters: Mapping[str, Any], *, plan_kept: bool = True) -> list[tuple[Any, ...]]:
    """The rows of a statement that PostgreSQL plans once per connection. Raises django.db.DatabaseError.

    By measurement a look-up by key takes a quarter of the CPU that way, here and in PostgreSQL. `plan_kept=False`: one
    of thousands of rows, whose plan hangs on how large its tables have become.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    kind = _Cursor if plan_kept else _PlanningCursor
    with connection._prepare_cursor(kind(connection.connection)) as cursor:  # type: ignore[attr-defined]
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []


class _Cursor(psycopg.Cursor[Any]):
    """Takes Django's wrappers, which know nothing of preparing: so that tests see and count these statements too."""

    plan_kept = True

    @override
    def execute(self, query: Any, params: Any = None, **_: Any) -> Self:
        super().execute(query, params, prepare=self.plan_kept, binary=True)
        if self._query is None:  # psycopg forgets the text of what is prepared already; Django's log of queries asks
            self._query = PostgresQuery(self._tx)
            self._query.query = query.encode()
        return self


class _PlanningCursor(_Cursor):
    plan_kept = False


def columns(model: type[Model], alias: str) -> str:
    """Every column of a model, to be selected: `row_build` makes a row of their values."""
    return ", ".join(f"{alias}.{name}" for name in _columns(model))


def row_build(model: type[Row], values: tuple[Any, ...]) -> tuple[Row, tuple[Any, ...]]:
    """A row from the values of its `columns`, and the values that are left over."""
    names = _columns(model)
    return model.from_db(connection.alias, names, values[: len(names)]), values[len(names) :]


@cache
def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
