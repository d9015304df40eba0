from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.scopes import ALL_SCOPES
from tenants.selectors import tenant_get
from tenants.services import apikey_create


class Command(ServiceCommand):
    help = (
        "Create a server key and print it. It is not shown again. Older keys stay valid until they are revoked, so "
        "that keys can be rotated without an interruption."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        parser.add_argument(
            "--scopes",
            nargs="+",
            required=True,
            metavar="SCOPE",
            help=f"'all', or some of: {' '.join(sorted(ALL_SCOPES))}",
        )
        parser.add_argument("--name", default="", help="the purpose of the key")
        parser.add_argument("--expires-days", type=int, help="days until the key expires; the default is never")

    @override
    def run(self, **options: Any) -> str:
        days = options["expires_days"]
        created = apikey_create(
            tenant=tenant_get(slug=options["tenant"]),
            scopes=ALL_SCOPES if options["scopes"] == ["all"] else options["scopes"],
            name=options["name"],
            expires_at=None if days is None else timezone.now() + timedelta(days=days),
        )
        return created.server_key
