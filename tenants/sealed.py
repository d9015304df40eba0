"""Encryption at rest, seen whole: which columns are sealed, under which keys, and how they move to the current one.

A sealed column is a BinaryField named `*_sealed`; its purpose is `<app label>.<model name>.<field>`
(pushhub.kernel.crypto).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import BinaryField
from psycopg.sql import SQL, Composed, Identifier

from pushhub.kernel.crypto import SealBroken, keyring, seal, unseal

BATCH = 500

COUNT = """
SELECT encode(substring({column} FOR position('\\x00'::bytea IN {column}) - 1), 'escape'), count(*)
FROM {table} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1
"""
# Rows not yet under the current key, in key order from where the last batch ended.
PENDING = """
SELECT {pk}, {column} FROM {table}
WHERE {column} IS NOT NULL AND substring({column} FOR octet_length(%(current)s::bytea)) <> %(current)s
  AND (%(after)s::text IS NULL OR {pk} > %(after)s::text::{pk_type})
ORDER BY {pk} LIMIT %(limit)s
"""
# Compare and set: a row that changed meanwhile keeps what its writer sealed.
REPLACE = """
UPDATE {table} AS row SET {column} = new.sealed
FROM unnest(%(pks)s::text[]::{pk_type}[], %(old)s::bytea[], %(new)s::bytea[]) AS new (pk, old, sealed)
WHERE row.{pk} = new.pk AND row.{column} = new.old
"""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    purpose: str
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
    """What one column's rotation did: rows re-sealed, and rows that no key opens (left as they are)."""

    resealed: int = 0
    broken: int = 0


def sealed_columns() -> list[SealedColumn]:
    """Every sealed column of every installed app."""
    return [
        SealedColumn(
            purpose=f"{model._meta.label_lower}.{field.name}",
            table=model._meta.db_table,
            column=str(field.column),
            pk=str(model._meta.pk.column),
            pk_type=str(model._meta.pk.db_type(connection)),
        )
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, BinaryField) and field.name.endswith("_sealed")
    ]


def sealed_counts(column: SealedColumn) -> dict[str, int]:
    """Rows by key id. Reads the whole column."""
    with connection.cursor() as cursor:
        cursor.execute(column.sql(COUNT))
        return dict(cursor.fetchall())


def sealed_rotate(column: SealedColumn) -> Iterator[Progress]:
    """Re-seal under the current key, yielding after each batch. Each commits: stop at any time, begin again later."""
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
