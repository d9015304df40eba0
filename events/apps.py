from django.apps import AppConfig
from typing_extensions import override


class EventsConfig(AppConfig):
    name = "events"

    @override
    def ready(self) -> None:
        from events.services import user_erased_record
        from tenants.erasure import erase_step_register

        erase_step_register("events", user_erased_record)
