from typing import Any

from django.core.management.base import CommandParser
from typing_extensions import override

from devices.services import app_create
from tenants.management.base import ServiceCommand
from tenants.selectors import tenant_get


class Command(ServiceCommand):
    help = (
        "Give a tenant an SNS app on this server's own AWS identity, or on an SSM parameter it alone reads. "
        "Tenants cannot do this for themselves."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        parser.add_argument("name", help="what the tenant calls the app, such as acme-ios")
        parser.add_argument("platform_application_arn")
        parser.add_argument("--event-topic-arn", default="", help="the only topic whose callbacks are taken")
        access = parser.add_mutually_exclusive_group(required=True)
        access.add_argument("--ambient", action="store_true", help="the server's own AWS identity")
        access.add_argument(
            "--parameter",
            default="",
            help='an SSM parameter that holds {"access_key_id": …, "secret_access_key": …}',
        )

    @override
    def run(self, **options: Any) -> str:
        app = app_create(
            tenant=tenant_get(slug=options["tenant"]),
            name=options["name"],
            provider="sns",
            settings={
                "platform_application_arn": options["platform_application_arn"],
                "event_topic_arn": options["event_topic_arn"],
                "ambient": options["ambient"],
                "parameter_name": options["parameter"],
            },
            operator=True,
        )
        return str(app.id)
