"""Apps and devices for tests."""

from typing import Any

from devices.models import App
from devices.services import app_create
from tenants.models import Tenant


def sns_app_create(tenant: Tenant, name: str, arn: str, *, operator: bool = False, **access: Any) -> App:
    """`access`: `credentials`, `role_arn`, `ambient` or `parameter_name`."""
    settings = {"platform_application_arn": arn, **access}
    return app_create(tenant=tenant, name=name, provider="sns", settings=settings, operator=operator)
