from typing import Any

from django.core.management.base import CommandParser
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.selectors import tenant_get
from tenants.services import apikey_revoke


class Command(ServiceCommand):
    help = "Revoke a server key. It is refused from the next request on."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        parser.add_argument("prefix", help="the middle part of phk_<prefix>_<secret>")

    @override
    def run(self, **options: Any) -> str:
        key = apikey_revoke(tenant=tenant_get(slug=options["tenant"]), prefix=options["prefix"])
        return f"{key} is revoked."
