"""Django's PostgreSQL backend, whose health check costs a request no round trip as long as the connection is in use."""

import select
import time

from django.db.backends.postgresql import base
from typing_extensions import override

BELIEVED_SECONDS = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    _checked_at = 0.0

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
