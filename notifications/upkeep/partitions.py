"""The delivery table's partitions, one for each day: created ahead, dropped when they are old and have no open row."""

import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

logger = logging.getLogger(__name__)

AHEAD: Final = 7  # days
LOCK_WAIT: Final = "2s"  # all other work on the table waits behind ours for at most so long

# The name of a partition ends with its day; that of the default partition does not.
_DAYS: Final = """
SELECT child.relname, to_date(right(child.relname, 8), 'YYYYMMDD')
FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = 'notifications_delivery'::regclass AND child.relname ~ '^notifications_delivery_[0-9]{8}$'
ORDER BY 1
"""


def partitions_make() -> list[str]:
    """Create the partitions of today and a week ahead; the days whose partition could not be created.

    That fails while the default partition has rows of the day. The rows stay there, and every statement finds them.
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
            logger.error("a partition could not be created", extra={"day": failed[-1], "error": type(error).__name__})
    return failed


def partitions_drop() -> list[str]:
    """Drop the partitions past retention in which nothing is queued or being sent; their names.

    While another transaction reads the table for a long time (a dump, for example) the lock is not available: one
    attempt is enough then.
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
    """The tenants of rows in the default partition, whose day had no partition. There should be none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tenant_id FROM notifications_delivery_default LIMIT 100")
        return [tenant_id for (tenant_id,) in cursor.fetchall()]


def _drop(name: str) -> bool:
    """Detach the partition, check it again when no other transaction can reach it, and drop it: one transaction, with a
    short wait for the lock.

    Not CONCURRENTLY: PostgreSQL refuses that for a table with a default partition.
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
    """Whether a row is queued or being sent. Reads the partial indexes: a few pages, whatever the size.

    All other work waits meanwhile. Without the setting the planner may read the whole table, because old statistics
    promise an open row early.
    """
    table = connection.ops.quote_name(name)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {table} WHERE state = 'queued')"  # noqa: S608 - a name from the catalogue
            f" OR EXISTS (SELECT FROM {table} WHERE state = 'sending')"
        )
        return bool(cursor.fetchone()[0])
