"""Endpoints and credentials are opened for the dispatcher."""

import json
import socket
import time
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from pytest_django.fixtures import Settings

from devices.credentials import credentials_open, endpoint_open
from devices.models import App, Device, VapidKey
from devices.sealing import endpoint_seal, endpoint_unseal
from devices.services import (
    device_disable,
    device_enable,
    endpoints_mark_gone,
    vapid_key_rotate,
)
from providers.errors import AppUnavailable, CredentialsPending
from providers.registry import provider_get
from providers.sns import background
from providers.sns.types import SnsCredentials, SnsEndpoint
from providers.webpush.base64url import b64url
from providers.webpush.types import WebPushCredentials, WebPushEndpoint
from pushhub.kernel.crypto import SealBroken, seal
from pushhub.kernel.purposes import Purpose
from tenants.services import TenantCreated
from tests.devices.builders import sns_app_create
from tests.devices.conftest import subscription
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db

WEBPUSH = provider_get("webpush")


@pytest.fixture
def body() -> dict[str, Any]:
    return {"platform": "web", "subscription": subscription()}


@pytest.fixture
def device(acme: TenantCreated, client_for: ClientFor, body: dict[str, Any]) -> Device:
    client_for(acme).put(f"/v1/devices/{uuid4()}", body)
    return Device.objects.get()


def test_an_opened_subscription_equals_the_registered_one(device: Device, body: dict[str, Any]) -> None:
    endpoint = endpoint_open(
        provider=WEBPUSH, sealed=bytes(device.endpoint_sealed or b""), endpoint_arn="", platform=""
    )
    assert isinstance(endpoint, WebPushEndpoint)
    assert endpoint.url == body["subscription"]["endpoint"]
    assert b64url(endpoint.auth) == body["subscription"]["keys"]["auth"]


def test_a_subscription_sealed_in_the_old_form_opens_as_well(body: dict[str, Any]) -> None:
    fields = {"endpoint": body["subscription"]["endpoint"], **body["subscription"]["keys"]}
    old = seal(json.dumps(fields).encode(), purpose=Purpose.ENDPOINT)
    new = endpoint_seal(fields, provider="webpush")
    opened = [endpoint_open(provider=WEBPUSH, sealed=each, endpoint_arn="", platform="") for each in (old, new)]
    assert opened[0] == opened[1]
    assert [endpoint_unseal(each, provider="webpush") for each in (old, new)] == [fields, fields]


def test_an_sns_endpoint_is_its_arn() -> None:
    endpoint = endpoint_open(provider=provider_get("sns"), sealed=b"", endpoint_arn="arn:x", platform="GCM")
    assert endpoint == SnsEndpoint(endpoint_arn="arn:x", platform="GCM")


def test_a_seal_of_another_column_does_not_open(device: Device) -> None:
    key = VapidKey.objects.get()
    with pytest.raises(SealBroken):
        endpoint_open(provider=WEBPUSH, sealed=bytes(key.private_key_sealed), endpoint_arn="", platform="")


def test_vapid_credentials_are_the_key_pairs(device: Device) -> None:
    key = VapidKey.objects.get()
    credentials = credentials_open(app_id=device.app_id, version=1, vapid_key_id=key.id)
    assert isinstance(credentials, WebPushCredentials)
    assert (b64url(credentials.public_key), len(credentials.private_key)) == (key.public_key, 32)


@pytest.mark.parametrize(
    ("own", "named"), [("", "mailto:push@acme.org"), ("mailto:own@acme.org", "mailto:own@acme.org")]
)
def test_the_installations_contact_is_for_keys_without_one(
    device: Device, acme: TenantCreated, settings: Settings, own: str, named: str
) -> None:
    """The contact is set after the tenant was created, with a rotation in between."""
    app = App.objects.get()
    key = vapid_key_rotate(tenant=acme.tenant, app=vapid_key_rotate(tenant=acme.tenant, app=app, sub=own).app)
    settings.PUSHHUB_VAPID_SUB = "mailto:push@acme.org"
    credentials = credentials_open(app_id=app.id, version=1, vapid_key_id=key.id)
    assert isinstance(credentials, WebPushCredentials)
    assert credentials.sub == named


def test_a_role_has_the_tenants_id(acme: TenantCreated) -> None:
    arn = "arn:aws:sns:eu-west-1:123456789012:app/APNS/acme"
    app = sns_app_create(acme.tenant, "ios", arn, role_arn="arn:aws:iam::123456789012:role/pushhub")
    credentials = credentials_open(app_id=app.id, version=app.version, vapid_key_id=None)
    assert isinstance(credentials, SnsCredentials)
    assert (credentials.external_id, credentials.ambient) == (str(acme.tenant.id), False)


def test_a_deleted_app_is_unavailable(device: Device) -> None:
    with pytest.raises(AppUnavailable):
        credentials_open(app_id=uuid4(), version=1, vapid_key_id=None)


def test_gone_is_about_one_token_version_only(device: Device) -> None:
    assert endpoints_mark_gone(rows=[(device.id, device.token_version + 1)], reason="410") == 0
    assert endpoints_mark_gone(rows=[(device.id, device.token_version)], reason="410") == 1
    assert endpoints_mark_gone(rows=[(device.id, device.token_version)], reason="410") == 0
    assert Device.objects.get().endpoint_state == "gone"


def test_a_new_subscription_revives_a_gone_device(
    device: Device, acme: TenantCreated, client_for: ClientFor, body: dict[str, Any]
) -> None:
    endpoints_mark_gone(rows=[(device.id, device.token_version)], reason="410")
    where = f"/v1/devices/{device.device_id}"
    assert client_for(acme).put(where, body).data["endpoint"] | {"changed_at": None} == {
        "state": "gone", "reason": "410", "changed_at": None,
    }  # fmt: skip
    response = client_for(acme).put(where, {"platform": "web", "subscription": subscription()})
    assert (response.data["endpoint"]["state"], response.data["endpoint"]["reason"]) == ("active", "")


def test_an_operators_switch_outlives_new_subscriptions(
    device: Device, acme: TenantCreated, client_for: ClientFor
) -> None:
    device_disable(tenant=acme.tenant, device_id=device.device_id)
    where = f"/v1/devices/{device.device_id}"
    response = client_for(acme).put(where, {"platform": "web", "subscription": subscription()})
    assert response.data["endpoint"]["state"] == "disabled"
    device_enable(tenant=acme.tenant, device_id=device.device_id)
    assert client_for(acme).get(where).data["endpoint"]["state"] == "active"


def test_apps_without_credentials_are_unavailable(acme: TenantCreated) -> None:
    app = App.objects.create(tenant=acme.tenant, name="empty", provider="sns", credential_kind="keys")
    with pytest.raises(AppUnavailable):
        credentials_open(app_id=app.id, version=1, vapid_key_id=None)


def test_a_hanging_parameter_store_delays_one_push_briefly(
    acme: TenantCreated, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"provider": "sns", "credential_kind": "parameter", "region": "eu-west-1", "parameter_name": "/acme/key"}
    app = App.objects.create(tenant=acme.tenant, name="p", **place)
    monkeypatch.setattr(background, "is_slow", Event())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", f"http://127.0.0.1:{server.getsockname()[1]}")
        begin = time.monotonic()
        for _ in range(5):
            with pytest.raises(CredentialsPending):
                credentials_open(app_id=app.id, version=1, vapid_key_id=None)
        assert time.monotonic() - begin < 2 * background.WAIT_SECONDS
