from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from pushhub.kernel.crypto import keyring
from tenants.sealed import Progress, sealed_columns, sealed_rotate


class Command(BaseCommand):
    help = (
        "Seal every encrypted value again with the first key of PUSHHUB_ENCRYPTION_KEYS. Before that, put the new key "
        "in front, keep the old keys behind it, and restart every process. The command can be stopped and started "
        "again at any time."
    )

    @override
    def handle(self, *args: Any, **options: Any) -> str:
        broken = 0
        for column in sealed_columns():
            progress = Progress()
            for progress in sealed_rotate(column):
                self.stdout.write(f"{column.purpose:45} {progress.resealed:,}", ending="\r")
            self.stdout.write(f"{column.purpose:45} {progress.resealed:,} sealed again")
            broken += progress.broken
        if broken:
            raise CommandError(
                f"{broken:,} values do not open: their key is not in PUSHHUB_ENCRYPTION_KEYS, or they were damaged. "
                "They stay unchanged. encryption_status shows the key ids."
            )
        return f"All values are sealed with key {keyring().key_ids[0]!r}."
