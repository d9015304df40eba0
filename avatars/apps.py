from django.apps import AppConfig
from typing_extensions import override


class AvatarsConfig(AppConfig):
    name = "avatars"

    @override
    def ready(self) -> None:
        from avatars.erase import avatars_erase
        from tenants.erasure import erase_step_register

        erase_step_register("avatars", avatars_erase)
