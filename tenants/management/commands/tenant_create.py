import json
from typing import Any

from django.core.management.base import CommandParser
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.services import TenantCreated, tenant_create


def tenant_json(created: TenantCreated) -> dict[str, Any]:
    identity_key = created.identity_key
    return {
        "id": str(created.tenant.id),
        "slug": created.tenant.slug,
        "server_key": created.server_key,
        "identity_key": {"kid": identity_key.key.kid, "alg": identity_key.key.alg, "secret": identity_key.secret},
        **created.extra,
    }


class Command(ServiceCommand):
    help = "Create a tenant with a server key, an identity key and a web push app. The secrets are not shown again."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="1 to 63 characters of a-z, 0-9 and '-', such as acme")
        parser.add_argument("--name", default="", help="the name that people see")
        parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")

    @override
    def run(self, **options: Any) -> str:
        created = tenant_json(tenant_create(slug=options["slug"], name=options["name"]))
        if options["json"]:
            return json.dumps(created)
        lines = [f"{name:17} {value}" for name, value in created.items() if name != "identity_key"]
        lines += [f"identity_key {name:4} {value}" for name, value in created["identity_key"].items()]
        return "\n".join([*lines, "Store the server key and the identity key's secret now. They are not shown again."])
