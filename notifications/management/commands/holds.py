from typing import Any

from django.core.management.base import CommandParser
from typing_extensions import override

from notifications.holds.models import Hold
from notifications.holds.selectors import hold_list_open
from notifications.holds.services import hold_confirm, hold_release
from tenants.management.base import ServiceCommand
from tenants.selectors import tenant_get

BY = "manage.py"


class Command(ServiceCommand):
    help = "A tenant's open holds; with --fine or --gone, decide about them, as in the admin."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        parser.add_argument("--push-origin", metavar="URL", help="only the hold of this push origin")
        decision = parser.add_mutually_exclusive_group()
        decision.add_argument("--fine", action="store_true", help="the devices are available: send what is held")
        decision.add_argument("--gone", action="store_true", help="the devices are gone: end their deliveries")

    @override
    def run(self, **options: Any) -> str:
        holds = list(hold_list_open(tenant=tenant_get(slug=options["tenant"]), push_origin=options["push_origin"]))
        for hold in holds:
            if options["fine"]:
                hold_release(hold=hold, by=BY)
            elif options["gone"]:
                hold_confirm(hold=hold, by=BY)
        return "\n".join(map(_line, holds)) or "Nothing is held."


def _line(hold: Hold) -> str:
    evidence = ", ".join(f"{name} {number}" for name, number in sorted(hold.evidence.items()))
    since = f"{hold.since:%Y-%m-%d %H:%M:%S}Z"
    return "  ".join([since, hold.kind, hold.app.name, hold.push_origin, hold.reason, f"({evidence})"])
