"""The days of the delivery table: made ahead, dropped whole when they are old and nothing in them is open."""

import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

logger = logging.getLogger(__name__)

AHEAD: Final = 7  # days
LOCK_WAIT: Final = "2s"  # everybody's work waits behind ours for so long at most

# Names carry the day; the default partition's does not match.
_DAYS: Final = """
SELECT child.relname, to_date(right(child.relname, 8), 'YYYYMMDD')
FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = 'notifications_delivery'::regclass AND child.relname ~ '^notifications_delivery_[0-9]{8}$'
ORDER BY 1
"""


def partitions_make() -> list[str]:
    """Today's partition and a week's ahead; the days that could not be made.

    A day cannot be made while the default partition holds rows of it: they stay there, where everything finds them.
    """
    today = timezone.now().date()
    failed = []
    for day in (today + timedelta(days=ahead) for ahead in range(AHEAD + 1)):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
                cursor.execute("SELECT pushhub_delivery_partition(%s)", [day])
        except DatabaseError as error:
            failed.append(day.isoformat())
            logger.error("a partition could not be made", extra={"day": failed[-1], "error": type(error).__name__})
    return failed


def partitions_drop() -> list[str]:
    """Drop the days past retention in which nothing is queued or being sent; their names.

    While somebody reads the table for long (a dump, say) no lock is to be had: one try is enough then.
    """
    last = timezone.now().date() - timedelta(days=settings.PUSHHUB_DELIVERY_RETENTION_DAYS)
    with connection.cursor() as cursor:
        cursor.execute(_DAYS)
        old = [name for name, day in cursor.fetchall() if day < last]
    dropped = []
    try:
        for name in old:
            if _drop(name):
                dropped.append(name)
    except DatabaseError as error:
        logger.warning("a partition could not be dropped yet", extra={"error": type(error).__name__})
    return dropped


def default_tenants() -> list[UUID]:
    """Whose rows came for a day that had no partition: any is an alarm."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tenant_id FROM notifications_delivery_default LIMIT 100")
        return [tenant_id for (tenant_id,) in cursor.fetchall()]


def _drop(name: str) -> bool:
    """Detached, looked at once more when nobody can reach it, dropped: one transaction, and a short wait for the lock.

    Not CONCURRENTLY, which PostgreSQL refuses beside a default partition.
    """
    table = connection.ops.quote_name(name)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        if partition_is_open(name):
            return False
        cursor.execute(f"ALTER TABLE notifications_delivery DETACH PARTITION {table}")
        if partition_is_open(name):
            transaction.set_rollback(True)
            return False
        cursor.execute(f"DROP TABLE {table}")
    return True


def partition_is_open(name: str) -> bool:
    """Through its partial indexes: a few pages, whatever its size. Everybody waits meanwhile, and left to itself the
    planner may read the whole table, in which old statistics promise an open row at once.
    """
    table = connection.ops.quote_name(name)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {table} WHERE state = 'queued')"  # noqa: S608 - a name from the catalogue
            f" OR EXISTS (SELECT FROM {table} WHERE state = 'sending')"
        )
        return bool(cursor.fetchone()[0])
