from django.apps import AppConfig
from typing_extensions import override


class DevicesConfig(AppConfig):
    name = "devices"

    @override
    def ready(self) -> None:
        from django.core import checks

        from devices.checks import vapid_contact
        from devices.services import devices_erase, web_app_create
        from tenants.erasure import erase_step_register
        from tenants.hooks import tenant_created_register

        checks.register(vapid_contact, "devices")
        tenant_created_register(web_app_create)
        erase_step_register("devices", devices_erase)
