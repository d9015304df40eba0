from django.apps import AppConfig
from django.db.models.signals import post_migrate
from typing_extensions import override


class PushhubConfig(AppConfig):
    name = "pushhub"

    @override
    def ready(self) -> None:
        from corsheaders.signals import check_request_enabled

        from pushhub import checks, cors, roles, trace

        checks.register_all()
        check_request_enabled.connect(cors.origin_check)
        post_migrate.connect(roles.roles_grant)
        trace.connect()
