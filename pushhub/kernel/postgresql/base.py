"""Django's PostgreSQL backend, whose health check costs a request no round trip as long as the connection is in use."""

import select
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg._preparing import Prepare, PrepareManager
from typing_extensions import override

BELIEVED_SECONDS = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    _checked_at = 0.0

    @override
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        manager = _Prepared()
        manager.prepare_threshold = connection.prepare_threshold
        connection._prepared = manager
        return connection

    @override
    def is_usable(self) -> bool:
        """A server that ends a connection says so on the socket. Asked is it when there is something to read, after an
        error, and every few seconds, for what is lost without a word."""
        if not self.errors_occurred and self._is_quiet() and time.monotonic() - self._checked_at < BELIEVED_SECONDS:
            return True
        usable: bool = super().is_usable()
        self._checked_at = time.monotonic() if usable else 0.0
        return usable

    def _is_quiet(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)


class _Prepared(PrepareManager):
    """Remembers what is prepared. psycopg's own also counts the last hundred statements that are not, by their text;
    that of Django's holds the values. A hundred pieces of files, or batches of rows, would stay in memory."""

    @override
    def maybe_add_to_cache(self, query: Any, prep: Prepare, name: bytes) -> Any:
        return None if prep is Prepare.NO else super().maybe_add_to_cache(query, prep, name)
