from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class DevicesConfig(AppConfig):
    name = "devices"

    @override
    def import_models(self) -> None:
        """Django itself loads `devices.models` only. The package `devices.bulk` has models too, and it imports
        `devices.models`: an import in the other direction would be a cycle."""
        super().import_models()
        import_module("devices.bulk.models")

    @override
    def ready(self) -> None:
        from django.core import checks

        from devices.checks import vapid_contact
        from devices.services import default_apps_create, devices_erase
        from tenants.erasure import erase_step_register
        from tenants.hooks import tenant_created_register

        checks.register(vapid_contact, "devices")
        tenant_created_register(default_apps_create)
        erase_step_register("devices", devices_erase)
