from typing import Any

from django.core.management.base import CommandParser
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.selectors import tenant_get
from tenants.services import tenant_limit


class Command(ServiceCommand):
    help = "How fast a tenant's deliveries may go out, all its apps together. Holds from the next claim on."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        cap = parser.add_mutually_exclusive_group(required=True)
        cap.add_argument("--deliveries-per-second", type=int, help="at most so many")
        cap.add_argument("--unlimited", action="store_true", help="as fast as they can")

    @override
    def run(self, **options: Any) -> str:
        cap = None if options["unlimited"] else options["deliveries_per_second"]
        tenant = tenant_limit(tenant=tenant_get(slug=options["tenant"]), deliveries_per_second=cap)
        return f"{tenant.slug}: {'unlimited' if cap is None else f'{cap} deliveries per second'}"
