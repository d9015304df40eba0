"""How the engine talks to PostgreSQL: prepared statements, values in binary, on Django's own connection."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, transaction

# Every hot statement looks its rows up one by one in known indexes. Planned once, generically, and never as a scan of a
# table that was small when somebody looked. Commits that only move claims about need no flush (settling: `durable`).
_SESSION = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_material = off;
SET enable_hashjoin = off; SET enable_mergejoin = off;
SET synchronous_commit = off; SET idle_in_transaction_session_timeout = '15s'; SET statement_timeout = '30s'
"""
_RESET = """
RESET plan_cache_mode; RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_material;
RESET enable_hashjoin; RESET enable_mergejoin;
RESET synchronous_commit; RESET idle_in_transaction_session_timeout; RESET statement_timeout
"""


def execute(statement: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Run one statement of `notifications.engine.sql`; its rows, if it has any. Raises django.db.DatabaseError."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, parameters, prepare=True, binary=True)
        return cursor.fetchall() if cursor.description else []


def session_begin() -> None:
    """The engine's own settings of the connection. Once for every connection: a new one has its defaults."""
    with connection.cursor() as cursor:
        cursor.execute(_SESSION)


def session_end() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_RESET)


@contextmanager
def durable() -> Iterator[None]:
    """A transaction that is on disk when it has committed, whatever the session says."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO DEFAULT")
        yield
