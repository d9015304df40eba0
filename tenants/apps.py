from django.apps import AppConfig
from typing_extensions import override


class TenantsConfig(AppConfig):
    name = "tenants"

    @override
    def ready(self) -> None:
        from corsheaders.signals import check_request_enabled

        from tenants.cors import origin_check

        check_request_enabled.connect(origin_check)
