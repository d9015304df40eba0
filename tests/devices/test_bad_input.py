"""Wrong requests of clients: each gets a documented 4xx that points to the field, never a 500."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from tenants.services import TenantCreated
from tests.devices.conftest import subscription, web_body
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor) -> APIClient:
    return client_for(acme)


def put(client: APIClient, body: Any) -> tuple[int, str, str]:
    response = client.put(f"/v1/devices/{uuid4()}", body)
    return response.status_code, response.data["code"], response.data["errors"][0]["pointer"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"platform": "toaster"}, "/platform"),
        ({"platform": 5}, "/platform"),
        ({"surprise": 1}, "/surprise"),
        ({"locale": "a\u202eb"}, "/locale"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"app_version": "1\x07"}, "/app_version"),
        ({"app_version": "x" * 65}, "/app_version"),
        ({"attributes": []}, "/attributes"),
        ({"tags": ["a"] * 51}, "/tags"),
        ({"tags": [5]}, "/tags/0"),
        ({"user_id": "a\u0001"}, "/user_id"),
        ({"user_id": "u" * 256}, "/user_id"),
        ({"token": "0f" * 32}, "/subscription"),
        ({"subscription": None}, "/subscription"),
        ({"subscription": "https://updates.push.services.mozilla.com/x"}, "/subscription"),
    ],
)
def test_an_invalid_field_is_named(backend: APIClient, change: dict[str, Any], pointer: str) -> None:
    assert put(backend, web_body(**change)) == (422, "invalid", pointer)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://updates.push.services.mozilla.com/x",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://2130706433/x",
        "https://evil.example.net/x",
        "https://updates.push.services.mozilla.com:8443/x",
        "https://user@updates.push.services.mozilla.com/x",
        "https://updates.push.services.mozilla.com.evil.net/x",
    ],
)
def test_an_endpoint_at_a_forbidden_address_is_refused(backend: APIClient, endpoint: str, settings: Any) -> None:
    settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS = []
    body = web_body(subscription={**subscription(), "endpoint": endpoint})
    assert put(backend, body) == (422, "endpoint_refused", "/subscription/endpoint")


@pytest.mark.parametrize(
    ("keys", "pointer"),
    [
        ({"auth": "AAAA"}, "/subscription/keys/auth"),
        ({"auth": "*"}, "/subscription/keys/auth"),
        ({"p256dh": "BA" + "A" * 85}, "/subscription/keys/p256dh"),
        ({"p256dh": None}, "/subscription/keys/p256dh"),
    ],
)
def test_keys_that_cannot_be_encrypted_to_are_refused(backend: APIClient, keys: dict[str, Any], pointer: str) -> None:
    good = subscription()
    body = web_body(subscription={**good, "keys": {**good["keys"], **keys}})
    assert put(backend, body) == (422, "subscription_invalid", pointer)


LONG_HOST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 41, "push.apple.com"])  # 248 characters


@pytest.mark.parametrize(
    "endpoint", ["", "https://", "not a url", "https://a b/", "https://x\\y/", f"https://{LONG_HOST}/x"]
)
def test_an_unreadable_endpoint_is_invalid(backend: APIClient, endpoint: str) -> None:
    body = web_body(subscription={**subscription(), "endpoint": endpoint})
    status, code, pointer = put(backend, body)
    assert (status, pointer) == (422, "/subscription/endpoint")
    assert code in {"subscription_invalid", "endpoint_refused"}


@pytest.mark.parametrize("device_id", ["x", "0", "../apps", "%00", "{}", "00000000000000000000000000000000"])
def test_an_id_that_is_no_uuid_is_not_found(backend: APIClient, device_id: str) -> None:
    assert backend.put(f"/v1/devices/{device_id}", web_body()).status_code == 404


@pytest.fixture
def ios_app(acme: TenantCreated, backend: APIClient) -> None:
    backend.post(
        "/v1/apps",
        {
            "name": "acme-ios",
            "provider": "sns",
            "platform_application_arn": "arn:aws:sns:eu-west-1:123456789012:app/APNS/acme",
            "credentials": {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "example"},
        },
    )


@pytest.mark.usefixtures("ios_app")
@pytest.mark.parametrize("token", ["", "zz" * 32, "0f" * 31, "0f" * 200, "0f\n" * 32, "é" * 64])
def test_an_invalid_token_is_refused(backend: APIClient, token: str) -> None:
    assert put(backend, {"platform": "ios", "token": token}) == (422, "invalid", "/token")


@pytest.mark.usefixtures("ios_app")
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"token": "0f" * 32, "application_server_key": "B"}, "/application_server_key"),
        ({"application_server_key": "B"}, "/token"),
        ({"token": "0f" * 32, "subscription": {}}, "/token"),
    ],
)
def test_a_field_of_another_platform_is_named(backend: APIClient, fields: dict[str, Any], pointer: str) -> None:
    assert put(backend, {"platform": "ios", **fields}) == (422, "invalid", pointer)
