from typing import Any

from django.core.management.base import CommandParser
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.selectors import tenant_get
from tenants.services import tenant_limit


class Command(ServiceCommand):
    help = (
        "Set the rate limit on a tenant's deliveries, for all its apps together. It is applied from the next claim on."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        limit = parser.add_mutually_exclusive_group(required=True)
        limit.add_argument("--deliveries-per-second", type=int, help="the limit")
        limit.add_argument("--unlimited", action="store_true", help="remove the limit")

    @override
    def run(self, **options: Any) -> str:
        limit = None if options["unlimited"] else options["deliveries_per_second"]
        tenant = tenant_limit(tenant=tenant_get(slug=options["tenant"]), deliveries_per_second=limit)
        return f"{tenant.slug}: {'unlimited' if limit is None else f'{limit} deliveries per second'}"
