import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.selectors import tenant_get
from tenants.services import IdentityKeyCreated, identity_key_create, identity_key_import


class Command(ServiceCommand):
    help = (
        "Add a key that signs the tenant's user tokens: import a PEM public key (P-256: ES256, RSA: RS256), or "
        "generate an HS256 secret and print it. The secret is not shown again."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        parser.add_argument("--public-key", metavar="FILE", help="PEM file, or - for standard input; without it: HS256")
        parser.add_argument("--kid", default="", help="the kid in your tokens; the default is a random kid")

    @override
    def run(self, **options: Any) -> str:
        tenant = tenant_get(slug=options["tenant"])
        if not options["public_key"]:
            return _lines(identity_key_create(tenant=tenant, kid=options["kid"]))
        return _lines(identity_key_import(tenant=tenant, public_key=_read(options["public_key"]), kid=options["kid"]))


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read as a PEM file.") from error


def _lines(created: IdentityKeyCreated) -> str:
    secret = f"\nsecret {created.secret}" if created.secret else ""
    return f"kid    {created.key.kid}\nalg    {created.key.alg}{secret}"
