"""Django's PostgreSQL backend with a health check that needs no round trip while the connection is in use."""

import select
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg._preparing import Prepare, PrepareManager
from typing_extensions import override

CHECK_SECONDS = 5.0


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
        """Asks the server only when there is something to read on the socket, after an error, and every few seconds.

        A server that ends a connection writes to the socket. The periodic check finds connections that were lost
        without a message.
        """
        if not self.errors_occurred and self._is_quiet() and time.monotonic() - self._checked_at < CHECK_SECONDS:
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
    """Remembers only prepared statements. psycopg's own manager also remembers the texts of the last hundred statements
    that are not prepared. Django's texts contain the values: a hundred parts of files, or batches of rows, would stay
    in memory."""

    @override
    def maybe_add_to_cache(self, query: Any, prep: Prepare, name: bytes) -> Any:
        return None if prep is Prepare.NO else super().maybe_add_to_cache(query, prep, name)
