"""PUT /v1/devices/{device_id}: what happens to a device."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Device
from events.models import Event
from tenants.models import Tenant
from tenants.services import TenantCreated
from tests.devices.conftest import subscription, web_body
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor) -> APIClient:
    return client_for(acme)


@pytest.fixture
def alice(acme: TenantCreated, user_client: ClientFor) -> APIClient:
    return user_client(acme, "alice")


@pytest.fixture
def bob(acme: TenantCreated, user_client: ClientFor) -> APIClient:
    return user_client(acme, "bob")


def url(device_id: object = None) -> str:
    return f"/v1/devices/{device_id or uuid4()}"


def test_the_first_registration_shows_the_secret_once(backend: APIClient) -> None:
    where, body = url(), web_body(user_id="alice")
    first, second = backend.put(where, body), backend.put(where, body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.data["device_secret"].startswith("phd_")
    assert "device_secret" not in second.data


def test_a_web_device_is_active_at_once(backend: APIClient) -> None:
    response = backend.put(url(), web_body(user_id="alice"))
    assert response.data["endpoint"]["state"] == "active"
    assert response.data["app"] == "web"


def test_no_response_has_the_endpoint_or_its_keys(backend: APIClient) -> None:
    where, body = url(), web_body(user_id="alice")
    backend.put(where, body)
    shown = backend.get(where).content.decode()
    assert body["subscription"]["endpoint"] not in shown
    assert body["subscription"]["keys"]["auth"] not in shown


def test_the_endpoint_is_sealed_at_rest(backend: APIClient) -> None:
    body = web_body()
    backend.put(url(), body)
    sealed = bytes(Device.objects.get().endpoint_sealed or b"")
    assert body["subscription"]["endpoint"].encode() not in sealed


def test_a_repeat_writes_nothing(backend: APIClient) -> None:
    where, body = url(), web_body(user_id="alice", tags=["beta"])
    backend.put(where, body)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        backend.put(where, body)
    assert [q["sql"] for q in queries if not q["sql"].startswith("SELECT") or " FOR " in q["sql"]] == []


def test_last_seen_is_written_when_an_hour_has_passed(backend: APIClient) -> None:
    where, body = url(), web_body()
    backend.put(where, body)
    Device.objects.update(last_seen_at=timezone.now() - timedelta(hours=2))
    backend.put(where, body)
    assert Device.objects.get().last_seen_at > timezone.now() - timedelta(minutes=1)


def test_a_new_subscription_replaces_the_old(backend: APIClient) -> None:
    where = url()
    backend.put(where, web_body(user_id="alice"))
    before = Device.objects.get()
    backend.put(where, web_body())
    after = Device.objects.get()
    assert after.endpoint_hash != before.endpoint_hash
    assert after.token_version == before.token_version + 1


def test_a_missing_field_stays(backend: APIClient) -> None:
    where, body = url(), web_body(user_id="alice", locale="pt-BR", attributes={"plan": "pro"})
    backend.put(where, body)
    response = backend.put(where, {name: body[name] for name in ("platform", "subscription")})
    assert (response.data["user_id"], response.data["locale"]) == ("alice", "pt-BR")
    assert response.data["attributes"] == {"plan": "pro"}


def test_a_user_token_registers_its_own_user(alice: APIClient) -> None:
    assert alice.put(url(), web_body()).data["user_id"] == "alice"


def test_a_user_token_cannot_name_another_user(alice: APIClient) -> None:
    response = alice.put(url(), web_body(user_id="bob"))
    assert (response.status_code, response.data["code"]) == (403, "forbidden")


def test_a_guessed_device_id_changes_nothing(alice: APIClient, bob: APIClient) -> None:
    where = url()
    alice.put(where, web_body())
    response = bob.put(where, web_body())
    assert response.status_code == 404
    assert Device.objects.get().user.user_id == "alice"  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["header", "body", "subscription"])
def test_another_user_with_proof_gets_the_device(alice: APIClient, bob: APIClient, how: str) -> None:
    where, body = url(), web_body()
    secret = alice.put(where, body).data["device_secret"]
    mapping = Device.objects.get().mapping_id
    taken = {
        "header": lambda: bob.put(where, web_body(), HTTP_DEVICE_SECRET=secret),
        "body": lambda: bob.put(where, web_body(device_secret=secret)),
        "subscription": lambda: bob.put(where, body),
    }[how]()
    assert (taken.status_code, taken.data["user_id"]) == (200, "bob")
    assert Device.objects.get().generation == 2
    assert Device.objects.get().mapping_id != mapping


def test_a_wrong_secret_is_no_proof(alice: APIClient, bob: APIClient, acme: TenantCreated) -> None:
    where = url()
    alice.put(where, web_body())
    wrong = f"phd_{acme.tenant.id.hex}_{'A' * 43}"
    assert bob.put(where, web_body(), HTTP_DEVICE_SECRET=wrong).status_code == 404


def test_the_device_whose_token_another_registers_is_retired(alice: APIClient, bob: APIClient) -> None:
    old, new, body = url(), url(), web_body()
    alice.put(old, body)
    response = bob.put(new, body)
    assert (response.status_code, response.data["user_id"]) == (201, "bob")
    assert alice.get(old).status_code == 404
    assert Device.objects.filter(deleted_at=None).count() == 1


def test_the_same_user_keeps_the_mapping(alice: APIClient) -> None:
    where = url()
    first = alice.put(where, web_body())
    second = alice.put(where, web_body())
    assert first.data["mapping_id"] == second.data["mapping_id"]


def test_a_change_of_user_is_an_event(alice: APIClient, bob: APIClient) -> None:
    where, body = url(), web_body()
    alice.put(where, body)
    bob.put(where, body)
    assert Event.objects.get(type="device.user_changed").data == {"from": "alice", "to": "bob"}


def test_the_same_id_at_another_tenant_is_another_device(
    backend: APIClient, globex: TenantCreated, client_for: ClientFor
) -> None:
    where, body = url(), web_body()
    backend.put(where, body)
    assert client_for(globex).get(where).status_code == 404
    assert client_for(globex).put(where, body).status_code == 201
    assert Device.objects.filter(deleted_at=None).count() == 2


def test_ids_may_be_in_capitals(backend: APIClient) -> None:
    device_id = uuid4()
    assert backend.put(url(str(device_id).upper()), web_body()).data["device_id"] == str(device_id)


def test_a_platform_without_an_app_is_refused(backend: APIClient) -> None:
    response = backend.put(url(), {"platform": "ios", "token": "0f" * 32})
    assert (response.status_code, response.data["code"]) == (422, "app_unavailable")


def test_one_of_two_possible_apps_must_be_named(backend: APIClient) -> None:
    backend.post("/v1/apps", {"name": "shop", "provider": "webpush"})
    response = backend.put(url(), web_body())
    assert (response.status_code, response.data["code"]) == (422, "app_ambiguous")
    assert backend.put(url(), web_body(app="shop")).data["app"] == "shop"


def test_a_device_that_moves_to_another_app_leaves_no_second_row(backend: APIClient) -> None:
    where, body = url(), web_body(app="web", user_id="alice")
    secret = backend.put(where, body).data["device_secret"]
    backend.post("/v1/apps", {"name": "shop", "provider": "webpush"})
    response = backend.put(where, {**body, "app": "shop"})
    assert (response.status_code, response.data["app"]) == (200, "shop")
    assert Device.objects.filter(deleted_at=None).count() == 1
    assert backend.patch(where, {"user_id": None, "device_secret": secret}).data["user_id"] is None


def test_an_allowed_push_host_works(backend: APIClient, acme: TenantCreated) -> None:
    body = web_body()
    body["subscription"]["endpoint"] = "https://push.acme.example.org/up?id=1"
    assert backend.put(url(), body).data["code"] == "endpoint_refused"
    Tenant.objects.filter(id=acme.tenant.id).update(push_hosts=["*.example.org"])
    assert backend.put(url(), body).status_code == 201


def test_the_key_of_the_subscription_is_stored(backend: APIClient) -> None:
    old = backend.get("/v1/webpush/config").data
    backend.post("/v1/apps/web:rotate", {})
    backend.put(url(), web_body(application_server_key=old["application_server_key"]))
    assert str(Device.objects.get().vapid_key_id) == old["key_id"]


def test_a_subscription_keeps_its_key_after_a_rotation(backend: APIClient) -> None:
    where, body = url(), web_body()
    backend.put(where, body)
    key = Device.objects.get().vapid_key_id
    backend.post("/v1/apps/web:rotate", {})
    backend.put(where, body)
    backend.put(url(), body)
    assert Device.objects.get(deleted_at=None).vapid_key_id == key


def test_a_new_subscription_after_a_rotation_may_have_any_live_key(backend: APIClient) -> None:
    where = url()
    backend.put(where, web_body())
    backend.post("/v1/apps/web:rotate", {})
    backend.put(where, web_body())
    assert Device.objects.get().vapid_key_id is None


def test_an_unknown_application_server_key_is_refused(backend: APIClient) -> None:
    stranger = subscription()["keys"]["p256dh"]
    response = backend.put(url(), web_body(application_server_key=stranger))
    assert (response.status_code, response.data["errors"][0]["pointer"]) == (422, "/application_server_key")
