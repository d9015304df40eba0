"""Runs a transaction again when it conflicted with another transaction."""

from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, transaction
from psycopg import errors as pg

from pushhub.kernel.errors import ApiError, ErrorCode

ATTEMPTS = 4
# A deadlock; or another transaction created the same row, or deleted a referenced row, after this one had read. The
# next try sees that change.
CONFLICTS = (pg.DeadlockDetected, pg.UniqueViolation, pg.ForeignKeyViolation)

T = TypeVar("T")


def retry_on_conflict(work: Callable[[], T]) -> T:
    """The result of `work`, run in a transaction that is started again after a conflict. Raises ApiError UNAVAILABLE
    after ATTEMPTS conflicts."""
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return work()
        except DatabaseError as error:
            if not isinstance(error.__cause__, CONFLICTS):
                raise
    raise ApiError(
        ErrorCode.UNAVAILABLE, detail="Too many requests change the same objects at the same time.", retry_after=1
    )
