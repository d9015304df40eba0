from django.apps import AppConfig
from typing_extensions import override


class NotificationsConfig(AppConfig):
    name = "notifications"

    @override
    def ready(self) -> None:
        from notifications.erase import end_user_erase_step
        from tenants.erasure import erase_step_register

        erase_step_register("notifications", end_user_erase_step)
