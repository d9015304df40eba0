from django.apps import AppConfig
from django.db.models.signals import post_migrate
from typing_extensions import override


class PushhubConfig(AppConfig):
    name = "pushhub"

    @override
    def ready(self) -> None:
        from pushhub import checks, roles
        from pushhub.workers import trace

        checks.register_all()
        post_migrate.connect(roles.roles_grant)
        trace.connect()
