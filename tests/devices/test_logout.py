"""PATCH and DELETE: log out, change a profile, delete a device."""

from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from devices.models import Device
from tenants.models import Tenant
from tenants.services import TenantCreated
from tests.devices.conftest import web_body
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> str:
    return f"/v1/devices/{uuid4()}"


@pytest.fixture
def secret(acme: TenantCreated, user_client: ClientFor, where: str) -> str:
    """The secret of alice's device at `where`."""
    shown: str = user_client(acme, "alice").put(where, web_body(locale="pt-BR")).data["device_secret"]
    return shown


@pytest.fixture
def anonymous() -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.default_format = "json"
    return client


def test_the_secret_alone_logs_out(anonymous: APIClient, where: str, secret: str) -> None:
    response = anonymous.patch(where, {"user_id": None}, HTTP_DEVICE_SECRET=secret)
    assert (response.status_code, response.data["user_id"]) == (200, None)
    assert Device.objects.get().generation == 2


def test_the_secret_may_be_in_the_body(anonymous: APIClient, where: str, secret: str) -> None:
    assert anonymous.patch(where, {"user_id": None, "device_secret": secret}).status_code == 200


def test_the_secret_alone_changes_nothing_else(anonymous: APIClient, where: str, secret: str) -> None:
    assert anonymous.patch(where, {"tags": ["x"]}, HTTP_DEVICE_SECRET=secret).status_code == 403
    assert anonymous.patch(where, {"user_id": "bob"}, HTTP_DEVICE_SECRET=secret).status_code == 403


def test_the_secret_alone_registers_a_new_subscription(anonymous: APIClient, where: str, secret: str) -> None:
    """A service worker has no user token when the browser replaces its subscription."""
    response = anonymous.put(where, web_body(), HTTP_DEVICE_SECRET=secret)
    assert (response.status_code, response.data["user_id"]) == (200, "alice")


def test_the_secret_of_one_device_is_no_proof_for_another(
    anonymous: APIClient, secret: str, acme: TenantCreated, user_client: ClientFor
) -> None:
    bobs = f"/v1/devices/{uuid4()}"
    user_client(acme, "bob").put(bobs, web_body())
    assert anonymous.patch(bobs, {"user_id": None}, HTTP_DEVICE_SECRET=secret).status_code == 401
    assert anonymous.put(f"/v1/devices/{uuid4()}", web_body(), HTTP_DEVICE_SECRET=secret).status_code == 401


def test_invented_secrets_do_not_use_up_the_limit_of_real_ones(
    anonymous: APIClient, where: str, secret: str, acme: TenantCreated
) -> None:
    Tenant.objects.filter(id=acme.tenant.id).update(rate_limits={"user": 1})
    made_up = secret[:-8] + "x" * 8
    responses = [anonymous.patch(where, {"user_id": None}, HTTP_DEVICE_SECRET=made_up).status_code for _ in range(2)]
    assert responses == [401, 401]
    assert anonymous.patch(where, {"user_id": None}, HTTP_DEVICE_SECRET=secret).status_code == 200


def test_a_request_without_a_credential_changes_nothing(anonymous: APIClient, where: str, secret: str) -> None:
    assert anonymous.patch(where, {"user_id": None}).status_code == 401
    assert anonymous.get(where).status_code == 401


def test_logging_in_after_a_logout_requires_the_secret(
    anonymous: APIClient, where: str, secret: str, acme: TenantCreated, user_client: ClientFor
) -> None:
    anonymous.patch(where, {"user_id": None}, HTTP_DEVICE_SECRET=secret)
    bob = user_client(acme, "bob")
    assert bob.put(where, web_body()).status_code == 404
    assert bob.patch(where, {"user_id": "bob", "device_secret": secret}).data["user_id"] == "bob"


def test_a_user_changes_the_profile_of_their_device(
    where: str, secret: str, acme: TenantCreated, user_client: ClientFor
) -> None:
    response = user_client(acme, "alice").patch(where, {"tags": ["beta"], "timezone": "Europe/Lisbon"})
    assert (response.data["tags"], response.data["timezone"], response.data["locale"]) == (
        ["beta"],
        "Europe/Lisbon",
        "pt-BR",
    )


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_another_users_device_is_not_found(
    where: str, secret: str, acme: TenantCreated, user_client: ClientFor, method: str
) -> None:
    response = getattr(user_client(acme, "bob"), method)(where)
    assert response.status_code == 404
    assert user_client(acme, "alice").get(where).status_code == 200


def test_a_deleted_device_has_no_personal_data(
    where: str, secret: str, acme: TenantCreated, user_client: ClientFor
) -> None:
    alice = user_client(acme, "alice")
    assert alice.delete(where).status_code == 204
    assert alice.get(where).status_code == 404
    device = Device.objects.get()
    assert (device.endpoint_sealed, device.endpoint_hash, device.user, device.locale) == (None, None, None, "")


def test_a_deleted_device_may_register_again(
    where: str, secret: str, acme: TenantCreated, user_client: ClientFor
) -> None:
    alice, body = user_client(acme, "alice"), web_body()
    alice.put(where, body)
    alice.delete(where)
    assert alice.put(where, body).status_code == 201


def test_erasing_a_user_erases_their_web_devices(
    where: str, secret: str, acme: TenantCreated, client_for: ClientFor
) -> None:
    assert client_for(acme).delete("/v1/users/alice").status_code in {200, 202, 204}
    assert not Device.objects.exists()


def test_the_list_is_for_backends_and_has_filters(
    where: str, secret: str, acme: TenantCreated, client_for: ClientFor, user_client: ClientFor
) -> None:
    user_client(acme, "bob").put(f"/v1/devices/{uuid4()}", web_body())
    backend = client_for(acme)
    assert [d["user_id"] for d in backend.get("/v1/devices").data["data"]] == ["bob", "alice"]
    assert [d["user_id"] for d in backend.get("/v1/devices?user_id=alice").data["data"]] == ["alice"]
    assert backend.get("/v1/devices?platform=ios").data["data"] == []
    assert user_client(acme, "alice").get("/v1/devices").status_code == 403


def test_the_next_page_continues_the_list(acme: TenantCreated, client_for: ClientFor) -> None:
    backend = client_for(acme)
    for _ in range(3):
        backend.put(f"/v1/devices/{uuid4()}", web_body())
    first = backend.get("/v1/devices?limit=2").data
    second = backend.get("/v1/devices", {"limit": 2, "cursor": first["next"]}).data
    assert (len(first["data"]), len(second["data"]), second["next"]) == (2, 1, None)


def test_the_list_of_an_unknown_app_is_not_found(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme).get("/v1/devices?app=nothing").status_code == 404


def test_reading_requires_the_scope(acme: TenantCreated, client_for: ClientFor, where: str, secret: str) -> None:
    reader = client_for(acme, scopes=["devices:read"])
    assert reader.get(where).status_code == 200
    assert reader.delete(where).data["code"] == "scope_missing"
