"""How the engine talks to PostgreSQL: prepared statements, values in binary, on Django's own connection."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

# Every hot statement looks its rows up one by one in known indexes. It is planned once, generically, and never as a
# scan of a table that was small when the plan was made. A commit that only moves claims needs no flush to disk
# (settling does: `durable`).
_SETTINGS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_material": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "synchronous_commit": "off",
    "idle_in_transaction_session_timeout": "'15s'",
    "statement_timeout": "'30s'",
}
SETTINGS_APPLY: Final = "; ".join(f"SET {name} = {value}" for name, value in _SETTINGS.items())
_RESET: Final = "; ".join(f"RESET {name}" for name in _SETTINGS)


def execute(statement: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Run one statement; its rows, if it has any. Raises django.db.DatabaseError."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, parameters, prepare=True, binary=True)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def engine_session() -> Iterator[None]:
    """The engine's settings for this thread's connection, and for every connection that replaces it inside.

    Only the engine's own statements belong inside, and the look-ups by key that they need of other packages (an app's
    credentials, endpoints that are gone): the settings do not change how those are run. Costs two round trips. Raises
    nothing itself: a connection that does not work is closed. The statement that opens the next one raises
    DatabaseError if the settings cannot be made there.
    """
    own = connections[DEFAULT_DB_ALIAS]

    def connected(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if connection is own:
            _run_or_close(own, SETTINGS_APPLY)

    if not own.in_atomic_block:
        own.close_if_unusable_or_obsolete()
    connection_created.connect(connected)
    try:
        with suppress(DatabaseError, InterfaceError):
            _run_or_close(own, SETTINGS_APPLY)
        yield
    finally:
        connection_created.disconnect(connected)
        with suppress(DatabaseError, InterfaceError):
            _run_or_close(own, _RESET)


def _run_or_close(wrapper: BaseDatabaseWrapper, statements: str) -> None:
    """A connection that is closed has no settings, and the next one starts with PostgreSQL's. Raises DatabaseError or
    InterfaceError when it has closed the connection."""
    if wrapper.connection is None:
        return
    try:
        with wrapper.cursor() as cursor:
            cursor.execute(statements)
    except (DatabaseError, InterfaceError):
        wrapper.close()
        raise


@contextmanager
def durable() -> Iterator[None]:
    """A transaction that is on disk once it has committed, whatever the session's settings are."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO DEFAULT")
        yield
