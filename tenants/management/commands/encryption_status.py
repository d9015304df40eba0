from typing import Any

from django.core.management.base import BaseCommand
from typing_extensions import override

from pushhub.kernel.crypto import keyring
from tenants.sealed import sealed_columns, sealed_counts


class Command(BaseCommand):
    help = "Show how many rows of each encrypted column are sealed with which key of PUSHHUB_ENCRYPTION_KEYS."

    @override
    def handle(self, *args: Any, **options: Any) -> str:
        keys = keyring()
        lines = [f"keys: {', '.join(keys.key_ids)} (the first seals)"]
        for column in sealed_columns():
            counts = ", ".join(f"{key}: {rows:,}" for key, rows in sealed_counts(column).items())
            lines.append(f"{column.purpose:45} {counts or '-'}")
        return "\n".join(lines)
