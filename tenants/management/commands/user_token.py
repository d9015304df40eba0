from typing import Any

from django.core.management.base import CommandParser
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.selectors import tenant_get
from tenants.services import TOKEN_SECONDS, user_token_mint


class Command(ServiceCommand):
    help = "Print a user token (JWT), signed with the tenant's newest HS256 identity key."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        parser.add_argument("user", help="the tenant's own user id")
        parser.add_argument(
            "--ttl", type=int, default=TOKEN_SECONDS, help="seconds until it expires (default: %(default)s)"
        )

    @override
    def run(self, **options: Any) -> str:
        tenant = tenant_get(slug=options["tenant"])
        return user_token_mint(tenant=tenant, user_id=options["user"], ttl_seconds=options["ttl"])
