from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from pushhub.kernel.crypto import keyring
from tenants.sealed import sealed_columns, sealed_counts


class Command(BaseCommand):
    help = "Check whether a key may be removed from PUSHHUB_ENCRYPTION_KEYS. Fails if any value is sealed with the key."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key_id", help="the part before the colon")

    @override
    def handle(self, *args: Any, **options: Any) -> str:
        key_id: str = options["key_id"]
        if key_id == keyring().key_ids[0]:
            raise CommandError(f"Key {key_id!r} is the first key, which seals. Put its successor in front of it.")
        used = {column.purpose: rows for column in sealed_columns() if (rows := sealed_counts(column).get(key_id))}
        if used:
            columns = ", ".join(f"{purpose} ({rows:,})" for purpose, rows in used.items())
            raise CommandError(f"Key {key_id!r} is in use: {columns}. Run encryption_rotate, then try again.")
        return f"No value is sealed with key {key_id!r}. Remove it from PUSHHUB_ENCRYPTION_KEYS and restart."
