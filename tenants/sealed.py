"""Rotation of the encryption keys: which columns are sealed, which keys they use, and how to seal them again.

Every `SealedField` of a model is a sealed column.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection
from psycopg.sql import SQL, Composed, Identifier

from pushhub.kernel.crypto import SealBroken, keyring, seal, unseal
from pushhub.kernel.purposes import Purpose
from pushhub.kernel.sealed_field import SealedField

BATCH = 500

COUNT = """
SELECT encode(substring({column} FOR position('\\x00'::bytea IN {column}) - 1), 'escape'), count(*)
FROM {table} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1
"""
# Rows that are not yet sealed with the current key, in key order, after the last row of the previous batch.
PENDING = """
SELECT {pk}, {column} FROM {table}
WHERE {column} IS NOT NULL AND substring({column} FOR octet_length(%(current)s::bytea)) <> %(current)s
  AND (%(after)s::text IS NULL OR {pk} > %(after)s::text::{pk_type})
ORDER BY {pk} LIMIT %(limit)s
"""
# Compare and set: a row that was changed in the meantime keeps the new value.
REPLACE = """
UPDATE {table} AS row SET {column} = new.sealed
FROM unnest(%(pks)s::text[]::{pk_type}[], %(old)s::bytea[], %(new)s::bytea[]) AS new (pk, old, sealed)
WHERE row.{pk} = new.pk AND row.{column} = new.old
"""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    purpose: Purpose
    table: str
    column: str
    pk: str
    pk_type: str

    def sql(self, template: str) -> Composed:
        return SQL(template).format(
            table=Identifier(self.table),
            column=Identifier(self.column),
            pk=Identifier(self.pk),
            pk_type=SQL(self.pk_type),
        )


@dataclass(slots=True)
class Progress:
    """The result for one column: rows sealed again, and rows that no key opens. The latter stay unchanged."""

    resealed: int = 0
    broken: int = 0


def sealed_columns() -> list[SealedColumn]:
    """All sealed columns of all installed apps."""
    return [
        SealedColumn(
            purpose=field.purpose,
            table=model._meta.db_table,
            column=str(field.column),
            pk=str(model._meta.pk.column),
            pk_type=str(model._meta.pk.db_type(connection)),
        )
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, SealedField)
    ]


def sealed_counts(column: SealedColumn) -> dict[str, int]:
    """The number of rows by key id. Reads the whole column."""
    with connection.cursor() as cursor:
        cursor.execute(column.sql(COUNT))
        return dict(cursor.fetchall())


def sealed_rotate(column: SealedColumn) -> Iterator[Progress]:
    """Seals the column again with the current key, and yields after each batch. Each batch commits, so that a rotation
    can be stopped at any time and started again later."""
    progress = Progress()
    current = keyring().current + b"\0"
    after: str | None = None
    while rows := _pending(column, current, after):
        after = str(rows[-1][0])
        _batch_reseal(column, rows, progress)
        yield progress


def _pending(column: SealedColumn, current: bytes, after: str | None) -> list[tuple[Any, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute(column.sql(PENDING), {"current": current, "after": after, "limit": BATCH})
        return [(pk, bytes(sealed)) for pk, sealed in cursor.fetchall()]


def _batch_reseal(column: SealedColumn, rows: list[tuple[Any, bytes]], progress: Progress) -> None:
    pks, old, new = [], [], []
    for pk, sealed in rows:
        try:
            fresh = seal(unseal(sealed, purpose=column.purpose), purpose=column.purpose)
        except SealBroken:
            progress.broken += 1
            continue
        pks.append(str(pk))
        old.append(sealed)
        new.append(fresh)
    with connection.cursor() as cursor:
        cursor.execute(column.sql(REPLACE), {"pks": pks, "old": old, "new": new})
        progress.resealed += cursor.rowcount
