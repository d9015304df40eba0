"""A tenant rotates its VAPID key: no browser has to do anything, whatever it says of the key it subscribed with. The
push service of the sandbox takes, like the browsers' own, only the key that a subscription was made with."""

from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from devices.models import Device
from sandbox.testing import SandboxProcess
from tenants.services import TenantCreated
from tests.fixtures import ClientFor
from tests.notifications.builders import dispatcher_make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor, settings: Settings) -> APIClient:
    settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS = [ip_network("127.0.0.1/32")]
    return client_for(acme)


def config(backend: APIClient) -> Any:
    return backend.get("/v1/webpush/config").json()["application_server_key"]


def registered(backend: APIClient, sandbox: SandboxProcess, key: str, **more: Any) -> str:
    """A browser that subscribed with `key`; its device id."""
    (subscription,) = sandbox.mint_web(application_server_key=key)
    device_id = str(uuid4())
    body = {"platform": "web", "subscription": dict(subscription), **more}
    assert backend.put(f"/v1/devices/{device_id}", body).status_code == 201
    return device_id


def states(backend: APIClient, device_id: str) -> list[str]:
    body = {"to": {"devices": [device_id]}, "content": {"title": "Hello"}}
    sent = backend.post("/v1/notifications", body).json()["id"]
    dispatcher = dispatcher_make(window=8)
    dispatcher.run(seconds=20)
    dispatcher.close()
    return [delivery["state"] for delivery in backend.get(f"/v1/notifications/{sent}/deliveries").json()["data"]]


def test_a_subscription_outlives_its_keys_rotation(backend: APIClient, sandbox: SandboxProcess) -> None:
    device_id = registered(backend, sandbox, config(backend))
    backend.post("/v1/apps/web:rotate", {})
    assert states(backend, device_id) == ["accepted"]


@pytest.mark.parametrize("rotations", [0, 1, 2])
def test_a_late_registration_that_does_not_name_its_key(
    backend: APIClient, sandbox: SandboxProcess, rotations: int
) -> None:
    old = config(backend)
    for _ in range(rotations):
        backend.post("/v1/apps/web:rotate", {})
    device_id = registered(backend, sandbox, old)
    assert states(backend, device_id) == ["accepted"]
    assert Device.objects.filter(device_id=device_id, vapid_key__public_key=old).exists()


def test_the_client_subscribes_anew_with_the_new_key(backend: APIClient, sandbox: SandboxProcess) -> None:
    device_id = registered(backend, sandbox, config(backend))
    backend.post("/v1/apps/web:rotate", {})
    new = config(backend)
    (subscription,) = sandbox.mint_web(application_server_key=new)
    body = {"platform": "web", "subscription": dict(subscription), "application_server_key": new}
    assert backend.put(f"/v1/devices/{device_id}", body).status_code == 200
    assert states(backend, device_id) == ["accepted"]
