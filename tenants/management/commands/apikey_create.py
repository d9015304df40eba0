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
        "Make a server key and print it, this once. Older keys stay valid until they are revoked: rotate with overlap."
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
        parser.add_argument("--name", default="", help="what the key is for")
        parser.add_argument("--expires-days", type=int, help="refused after this many days; never, if left out")

    @override
    def run(self, **options: Any) -> str:
        days = options["expires_days"]
        made = apikey_create(
            tenant=tenant_get(slug=options["tenant"]),
            scopes=ALL_SCOPES if options["scopes"] == ["all"] else options["scopes"],
            name=options["name"],
            expires_at=None if days is None else timezone.now() + timedelta(days=days),
        )
        return made.server_key
