from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class NotificationsConfig(AppConfig):
    name = "notifications"

    @override
    def import_models(self) -> None:
        """Django itself loads `notifications.models` only. The package `notifications.holds` has models too, and the
        package imports `notifications.models`: an import in the other direction would be a cycle."""
        super().import_models()
        import_module("notifications.holds.models")

    @override
    def ready(self) -> None:
        from django.conf import settings

        from notifications.erase import end_user_erase_step
        from providers.registry import providers_all, reference_choose
        from pushhub.kernel.env import EnvironmentInvalid
        from tenants.erasure import erase_step_register

        erase_step_register("notifications", end_user_erase_step)
        for provider in providers_all():
            if provider.reference is None:
                continue
            try:
                reference_choose(provider.name, getattr(settings, provider.reference.setting))
            except ValueError as error:
                raise EnvironmentInvalid(f"{provider.reference.setting} {error}.") from error
