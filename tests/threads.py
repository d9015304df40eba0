"""Work beside a test, on a database connection of its own."""

import threading
from collections.abc import Callable

from django.db import connection


def in_the_background(work: Callable[[], object]) -> threading.Thread:
    """Started; its connection is closed at its end, or the test's database could not be removed."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
