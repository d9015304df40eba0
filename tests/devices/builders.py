"""Apps and devices for tests, registered one at a time or concurrently, and the worker that provisions them."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import App, Device
from devices.provisioning.provision import PROVISIONING
from devices.services import app_create, device_register
from devices.types import DeviceRegistered, DeviceRegistration
from sandbox.testing import SandboxProcess
from tenants.callers import Caller
from tenants.models import Tenant
from tenants.services import TenantCreated


def sns_app_create(tenant: Tenant, name: str, arn: str, *, operator: bool = False, **access: Any) -> App:
    """`access`: `credentials`, `role_arn`, `ambient` or `parameter_name`."""
    settings = {"platform_application_arn": arn, **access}
    return app_create(tenant=tenant, name=name, provider="sns", settings=settings, operator=operator)


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Call `work(i)` in `count` threads that start together. What each returned or raised."""
    gate, found = threading.Barrier(count), [None] * count

    def run(index: int) -> None:
        gate.wait(10)
        try:
            found[index] = work(index)
        except Exception as error:
            found[index] = error  # type: ignore[call-overload]
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def register(
    created: TenantCreated, device_id: UUID, *, user: str | None = None, server: bool = True, **data: Any
) -> DeviceRegistered:
    kind: Any = "server_key" if server else "user_token"
    caller = Caller(created.tenant, kind, f"test:{user}", user_id=None if server else user)
    if server and user:
        data["user_id"] = user
    address: dict[str, Any] = {name: data.pop(name) for name in ("token", "subscription") if name in data}
    registration = DeviceRegistration(platform=data.pop("platform", "web"), address=address, **data)
    return device_register(tenant=created.tenant, caller=caller, device_id=device_id, data=registration)


def put(client: APIClient, device_id: object, token: str, **more: Any) -> Any:
    return client.put(f"/v1/devices/{device_id}", {"platform": "ios", "token": token, **more})


def run_due() -> None:
    """Provision everything that is due, as the worker does."""
    Device.objects.filter(provision_due_at__isnull=False).update(provision_due_at=timezone.now() - timedelta(hours=1))
    while PROVISIONING.step():
        continue


def actions(sandbox: SandboxProcess) -> list[str]:
    return [call["action"] for call in sandbox.calls()]
