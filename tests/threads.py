"""A thread that works in parallel with a test, with its own database connection."""

import threading
from collections.abc import Callable

from django.db import connection


def in_the_background(work: Callable[[], object]) -> threading.Thread:
    """Starts the thread. It closes its connection at its end, so that the test database can be removed."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
