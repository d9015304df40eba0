"""Transactions that another one got in the way of, run again."""

from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, transaction
from psycopg import errors as pg

from pushhub.kernel.errors import ApiError, ErrorCode

ATTEMPTS = 4
# A circle of locks; a row made, or one referred to removed, since we looked: the next look sees it.
LOST = (pg.DeadlockDetected, pg.UniqueViolation, pg.ForeignKeyViolation)

T = TypeVar("T")


def retry_on_conflict(work: Callable[[], T]) -> T:
    """What `work` answers, in a transaction that begins anew when it lost a race. Raises ApiError UNAVAILABLE."""
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return work()
        except DatabaseError as error:
            if not isinstance(error.__cause__, LOST):
                raise
    raise ApiError(ErrorCode.UNAVAILABLE, detail="Too many changes of the same rows at once.", retry_after=1)
