"""A `Device-Secret` authenticates only the device that it was issued to."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from devices.models import Device
from tenants.services import TenantCreated
from tests.devices.conftest import web_body
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> str:
    return f"/v1/devices/{uuid4()}"


@pytest.fixture
def alices(acme: TenantCreated, user_client: ClientFor, where: str) -> dict[str, Any]:
    """The body of the registration of alice's device at `where`."""
    body = web_body()
    assert user_client(acme, "alice").put(where, body).status_code == 201
    return body


@pytest.fixture
def anonymous(acme: TenantCreated) -> APIClient:
    """Sends a secret that was never issued; it contains the tenant's id, which avatar URLs show."""
    client = APIClient(raise_request_exception=False)
    client.default_format = "json"
    client.credentials(HTTP_DEVICE_SECRET=f"phd_{acme.tenant.id.hex}_{'a' * 43}")
    return client


def with_other_keys(body: dict[str, Any]) -> dict[str, Any]:
    """The same push URL, with keys of another browser."""
    keys = web_body()["subscription"]["keys"]
    return body | {"subscription": body["subscription"] | {"keys": keys}}


def device_row() -> dict[str, Any]:
    return dict(Device.objects.values().get())


@pytest.mark.parametrize("change", [{}, {"user_id": None}, {"tags": ["changed"]}])
def test_an_invented_secret_authenticates_no_caller(
    anonymous: APIClient, where: str, alices: dict[str, Any], change: dict[str, Any]
) -> None:
    before = device_row()
    assert anonymous.put(where, alices | change).status_code == 401
    assert anonymous.put(where, with_other_keys(alices) | change).status_code == 401
    assert device_row() == before


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_unknown_and_known_devices_give_the_same_response(
    anonymous: APIClient, where: str, alices: dict[str, Any], method: str
) -> None:
    paths = [where, f"/v1/devices/{uuid4()}", "/v1/devices/not-a-uuid"]
    assert [getattr(anonymous, method)(path).status_code for path in paths] == [401, 401, 401]


def test_a_secret_of_an_inactive_tenant_is_refused(
    acme: TenantCreated, user_client: ClientFor, where: str, anonymous: APIClient
) -> None:
    secret = user_client(acme, "alice").put(where, web_body()).data["device_secret"]
    acme.tenant.is_active = False
    acme.tenant.save()
    anonymous.credentials(HTTP_DEVICE_SECRET=secret)
    assert anonymous.patch(where, {"user_id": None}).status_code == 401


def test_keys_do_not_change_with_the_push_url_alone(
    acme: TenantCreated, user_client: ClientFor, where: str, alices: dict[str, Any]
) -> None:
    before, bob = device_row(), user_client(acme, "bob")
    assert bob.put(where, with_other_keys(alices)).status_code == 404
    assert bob.put(f"/v1/devices/{uuid4()}", with_other_keys(alices)).data["code"] == "subscription_invalid"
    assert device_row() == before
