from typing import Any

from django.core.management.base import CommandParser
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.selectors import tenant_get
from tenants.services import tenant_link_schemes


class Command(ServiceCommand):
    help = "Register the schemes of links that open the tenant's apps. The given list replaces the registered one."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        parser.add_argument("schemes", nargs="*", help="such as acme, for links like acme://order/7; none: only https")

    @override
    def run(self, **options: Any) -> str:
        tenant = tenant_link_schemes(tenant=tenant_get(slug=options["tenant"]), schemes=options["schemes"])
        return f"{tenant.slug}: {', '.join(tenant.link_schemes) or 'https only'}"
