"""/v1/apps: a tenant's provider apps. Their secrets can be written and not read."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from devices.models import App, VapidKey
from devices.services import app_misconfigured
from devices.verification import VERIFICATION
from events.models import Event
from pushhub.kernel.errors import ApiError, ErrorCode
from sandbox.testing import SandboxProcess
from tenants.services import TenantCreated
from tests.devices.builders import sns_app_create
from tests.devices.conftest import SnsApp, web_body
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db

ARN = "arn:aws:sns:eu-west-1:123456789012:app/APNS/acme"
KEYS = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "wJalrXUtnFEMI"}
ROLE = "arn:aws:iam::123456789012:role/pushhub"
PRIVATE_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
PUBLIC_KEY = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor) -> APIClient:
    return client_for(acme)


def sns(**more: Any) -> dict[str, Any]:
    return {
        "name": "acme-ios", "provider": "sns", "platform_application_arn": ARN, "credentials": KEYS, **more,
    }  # fmt: skip


def test_a_new_tenant_has_a_web_push_app(backend: APIClient, acme: TenantCreated) -> None:
    app = backend.get("/v1/apps/web").data
    assert (app["provider"], app["state"]) == ("webpush", "active")
    assert app["vapid_keys"][0]["application_server_key"] == acme.extra["vapid_public_key"]


def test_a_key_without_a_contact_shows_the_installations(backend: APIClient, settings: Settings) -> None:
    settings.PUSHHUB_VAPID_SUB = "mailto:push@acme.org"
    assert backend.get("/v1/apps/web").data["vapid_keys"][0]["sub"] == "mailto:push@acme.org"


def test_secrets_can_be_written_and_not_read(backend: APIClient) -> None:
    made = backend.post("/v1/apps", sns())
    shown = made.content + backend.get("/v1/apps/acme-ios").content + backend.get("/v1/apps").content
    assert made.status_code == 201
    assert not any(value.encode() in shown for value in KEYS.values())
    assert KEYS["secret_access_key"].encode() not in bytes(App.objects.get(name="acme-ios").credentials_sealed or b"")


def test_an_app_is_addressed_by_name_or_id(backend: APIClient) -> None:
    made = backend.post("/v1/apps", sns()).data
    assert backend.get(f"/v1/apps/{made['id']}").data["name"] == "acme-ios"


def test_creating_is_idempotent_by_key(backend: APIClient) -> None:
    first = backend.post("/v1/apps", sns(), HTTP_IDEMPOTENCY_KEY="one")
    again = backend.post("/v1/apps", sns(), HTTP_IDEMPOTENCY_KEY="one")
    assert (first.data["id"], again["Idempotency-Replayed"]) == (again.data["id"], "true")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"platform_application_arn": "arn:aws:sns:eu-west-1:123456789012:app/BAIDU/x"}, "/platform_application_arn"),
        ({"platform_application_arn": "arn:aws:sns:evil.net#:123456789012:app/APNS/x"}, "/platform_application_arn"),
        ({"platform_application_arn": "arn:aws:sns:eu-west-1:123456789012:topic"}, "/platform_application_arn"),
        ({"region": "us-east-1"}, "/region"),
        ({"credentials": {"access_key_id": "A"}}, "/credentials/secret_access_key"),
        ({"role_arn": ROLE}, "/role_arn"),
        ({"name": "No Spaces"}, "/name"),
        ({"event_topic_arn": "arn:aws:sns:eu-west-1:999999999999:events"}, "/event_topic_arn"),
        ({"vapid": {}}, "/vapid"),
    ],
)  # fmt: skip
def test_an_invalid_field_of_an_app_has_a_pointer(backend: APIClient, change: dict[str, Any], pointer: str) -> None:
    response = backend.post("/v1/apps", sns(**change))
    assert (response.status_code, response.data["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({}, "/platform_application_arn"),
        ({"platform_application_arn": f"{ARN}2", "credentials": None, "role_arn": ROLE}, "/role_arn"),
        ({"platform_application_arn": f"{ARN}2", "credentials": None, "ambient": True}, "/ambient"),
        (
            {"platform_application_arn": f"{ARN}2", "credentials": None, "parameter_name": "/acme/sns"},
            "/parameter_name",
        ),
    ],
)
def test_another_tenants_resource_is_refused_without_a_call(
    acme: TenantCreated, globex: TenantCreated, client_for: ClientFor, sandbox: SandboxProcess,
    change: dict[str, Any], pointer: str,
) -> None:  # fmt: skip
    sns_app_create(acme.tenant, "acme-ios", ARN, role_arn=ROLE)
    App.objects.update(verify_due_at=None)
    body = {name: value for name, value in sns(**change).items() if value is not None}
    response = client_for(globex).post("/v1/apps", body)
    VERIFICATION.step()
    assert (response.status_code, response.data["code"]) == (422, "credentials_refused")
    assert response.data["errors"][0]["pointer"] == pointer
    assert sandbox.call_counts() == {}


def test_a_role_of_another_account_is_refused(backend: APIClient) -> None:
    body = sns(role_arn="arn:aws:iam::999999999999:role/pushhub")
    del body["credentials"]
    assert backend.post("/v1/apps", body).data["code"] == "credentials_refused"


def test_an_operator_may_lend_the_servers_identity(acme: TenantCreated, backend: APIClient) -> None:
    sns_app_create(acme.tenant, "ops", ARN, ambient=True, operator=True)
    response = backend.patch("/v1/apps/ops", {"credentials": KEYS})
    assert response.data["code"] == "credentials_refused"


def test_the_same_arn_twice_in_one_tenant_is_a_conflict(backend: APIClient) -> None:
    backend.post("/v1/apps", sns())
    response = backend.post("/v1/apps", sns(name="again"))
    assert (response.status_code, response.data["code"]) == (409, "conflict")


def test_a_role_is_assumed_with_the_tenants_id(acme: TenantCreated, sandbox: SandboxProcess) -> None:
    made = sandbox.mint_sns_application("APNS")
    role = sandbox.post("sns/roles", external_id=str(acme.tenant.id))["arn"]
    app = sns_app_create(acme.tenant, "ios", made.arn, role_arn=role)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", made.access_key_id)
        patch.setenv("AWS_SECRET_ACCESS_KEY", made.secret_access_key)
        VERIFICATION.step()
    app.refresh_from_db()
    assert (app.state, app.verify_due_at) == ("active", None)
    assert app.verified_at is not None


def test_a_role_that_trusts_another_tenant_is_not_assumed(globex: TenantCreated, sandbox: SandboxProcess) -> None:
    made = sandbox.mint_sns_application("APNS")
    role = sandbox.post("sns/roles", external_id="acme's id")["arn"]
    app = sns_app_create(globex.tenant, "ios", made.arn, role_arn=role)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", made.access_key_id)
        patch.setenv("AWS_SECRET_ACCESS_KEY", made.secret_access_key)
        VERIFICATION.step()
    app.refresh_from_db()
    assert app.state == "misconfigured"


def test_an_app_with_a_parameter_reads_it_once_per_version(acme: TenantCreated, sandbox: SandboxProcess) -> None:
    made = sandbox.mint_sns_application("APNS")
    value = f'{{"access_key_id": "{made.access_key_id}", "secret_access_key": "{made.secret_access_key}"}}'
    sandbox.post("ssm/parameters", name="/acme/sns", value=value, region=made.region)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", made.access_key_id)
        patch.setenv("AWS_SECRET_ACCESS_KEY", made.secret_access_key)
        app = sns_app_create(acme.tenant, "ios", made.arn, parameter_name="/acme/sns", operator=True)
        VERIFICATION.step()
    app.refresh_from_db()
    assert (app.state, app.verify_due_at) == ("active", None)


def test_a_worker_verifies(backend: APIClient, acme: TenantCreated, sns_app: SnsApp) -> None:
    sns_app(acme.tenant)
    response = backend.post("/v1/apps/acme-ios:verify")
    assert (response.status_code, response.data["verifying"]) == (202, True)
    VERIFICATION.step()
    shown = backend.get("/v1/apps/acme-ios").data
    assert (shown["verifying"], shown["state"]) == (False, "active")


def test_a_repaired_app_resumes_with_an_event(backend: APIClient, acme: TenantCreated, sns_app: SnsApp) -> None:
    app, _ = sns_app(acme.tenant)
    app_misconfigured(app_id=app.id, reason="InvalidClientTokenId")
    assert backend.get("/v1/apps/acme-ios").data["state_reason"] == "InvalidClientTokenId"
    backend.post("/v1/apps/acme-ios:verify")
    VERIFICATION.step()
    assert backend.get("/v1/apps/acme-ios").data["state"] == "active"
    assert Event.objects.filter(type="app.misconfigured", notice=True).count() == 1
    assert Event.objects.filter(type="app.active").count() == 1


def due_in(app: App) -> float:
    app.refresh_from_db()
    assert app.verify_due_at is not None
    return (app.verify_due_at - timezone.now()).total_seconds()


def test_a_repair_on_the_vendors_side_is_found_without_a_request(acme: TenantCreated, sns_app: SnsApp) -> None:
    app, _ = sns_app(acme.tenant)
    app_misconfigured(app_id=app.id, reason="PlatformApplicationDisabled")
    assert 55 < due_in(app) <= 60
    App.objects.update(verify_due_at=timezone.now())
    VERIFICATION.step()
    app.refresh_from_db()
    assert (app.state, app.verify_due_at) == ("active", None)


def test_refused_credentials_are_tried_less_and_less_often(backend: APIClient, sandbox: SandboxProcess) -> None:
    made = sandbox.mint_sns_application("APNS")
    backend.post("/v1/apps", sns(platform_application_arn=made.arn))
    app, waits = App.objects.get(name="acme-ios"), []
    for _ in range(7):
        App.objects.filter(id=app.id).update(verify_due_at=timezone.now())
        VERIFICATION.step()
        waits.append(round(due_in(app) / 60))
    assert waits == [1, 2, 4, 8, 15, 15, 15]
    assert not backend.get("/v1/apps/acme-ios").data["verifying"]


def test_credentials_that_verify_and_are_refused_again_wait_longer(acme: TenantCreated, sns_app: SnsApp) -> None:
    """The keys are valid, but do not allow Publish."""
    app, _ = sns_app(acme.tenant)
    for minutes in (1, 2, 4):
        app_misconfigured(app_id=app.id, reason="AuthorizationError")
        assert round(due_in(app) / 60) == minutes
        App.objects.update(verify_due_at=timezone.now())
        VERIFICATION.step()


def test_a_repaired_parameter_is_read_again(acme: TenantCreated, sns_app: SnsApp) -> None:
    app, _ = sns_app(acme.tenant)
    app_misconfigured(app_id=app.id, reason="InvalidClientTokenId")
    App.objects.update(verify_due_at=timezone.now())
    before = app.version
    VERIFICATION.step()
    app.refresh_from_db()
    assert app.version > before  # caches of its credentials key on it


def test_a_refusal_of_credentials_replaced_since_pauses_nothing(acme: TenantCreated, sns_app: SnsApp) -> None:
    app, _ = sns_app(acme.tenant)
    app_misconfigured(app_id=app.id, reason="InvalidClientTokenId", version=app.version - 1)
    app.refresh_from_db()
    assert app.state == "active"
    app_misconfigured(app_id=app.id, reason="InvalidClientTokenId", version=app.version)
    app.refresh_from_db()
    assert app.state == "misconfigured"


def test_wrong_keys_are_detected(backend: APIClient, sandbox: SandboxProcess) -> None:
    made = sandbox.mint_sns_application("APNS")
    backend.post("/v1/apps", sns(platform_application_arn=made.arn))
    VERIFICATION.step()
    assert backend.get("/v1/apps/acme-ios").data["state"] == "misconfigured"


def test_an_unavailable_vendor_decides_nothing(
    backend: APIClient, acme: TenantCreated, sns_app: SnsApp, sandbox: SandboxProcess
) -> None:
    sns_app(acme.tenant)
    sandbox.outage(30, 503, "sns")
    VERIFICATION.step()
    shown = backend.get("/v1/apps/acme-ios").data
    assert (shown["verifying"], shown["state"]) == (True, "active")


def test_credentials_changed_during_the_check_are_not_decided_by_it(
    backend: APIClient, acme: TenantCreated, sns_app: SnsApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = sns_app(acme.tenant)

    def changed_meanwhile(*_: object) -> str:
        backend.patch("/v1/apps/acme-ios", {"credentials": KEYS})
        return "InvalidClientTokenId"

    monkeypatch.setattr("providers.sns.app.SnsApp.verify", changed_meanwhile)
    VERIFICATION.step()
    app.refresh_from_db()
    assert (app.state, app.verify_due_at is not None) == ("active", True)


def test_an_app_with_devices_is_not_deleted(backend: APIClient) -> None:
    backend.put(f"/v1/devices/{uuid4()}", web_body())
    assert backend.delete("/v1/apps/web").status_code == 409


def test_an_unused_app_is_deleted(backend: APIClient) -> None:
    backend.post("/v1/apps", sns())
    assert backend.delete("/v1/apps/acme-ios").status_code == 204
    assert backend.get("/v1/apps/acme-ios").status_code == 404


def test_a_vapid_key_can_be_imported(backend: APIClient) -> None:
    body = {"name": "shop", "provider": "webpush", "vapid": {"private_key": PRIVATE_KEY, "sub": "mailto:a@acme.org"}}
    key = backend.post("/v1/apps", body).data["vapid_keys"][0]
    assert (key["application_server_key"], key["sub"]) == (PUBLIC_KEY, "mailto:a@acme.org")
    assert PRIVATE_KEY.encode() not in bytes(VapidKey.objects.get(public_key=PUBLIC_KEY).private_key_sealed)


@pytest.mark.parametrize("sub", ["mailto:a@localhost", "https://x.invalid", "http://acme.org", "alice", "mailto:"])
def test_an_invented_contact_is_refused(backend: APIClient, sub: str) -> None:
    response = backend.post("/v1/apps/web:rotate", {"sub": sub})
    assert (response.status_code, response.data["errors"][0]["pointer"]) == (422, "/sub")


def test_rotation_offers_a_new_key_and_keeps_the_old(backend: APIClient) -> None:
    old = backend.get("/v1/webpush/config").data
    new = backend.post("/v1/apps/web:rotate", {}).data
    assert backend.get("/v1/webpush/config").data["key_id"] == new["key_id"] != old["key_id"]
    assert len(backend.get("/v1/apps/web").data["vapid_keys"]) == 2


def test_the_config_is_cacheable(acme: TenantCreated, user_client: ClientFor) -> None:
    alice = user_client(acme, "alice")
    first = alice.get("/v1/webpush/config")
    assert "max-age" in first["Cache-Control"]
    assert alice.get("/v1/webpush/config", HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304


@pytest.mark.parametrize("path", ["/v1/apps/web", "/v1/apps/web:verify", "/v1/apps/web:rotate"])
def test_apps_are_not_for_users(acme: TenantCreated, user_client: ClientFor, path: str) -> None:
    method = "post" if ":" in path else "get"
    assert getattr(user_client(acme, "alice"), method)(path).status_code == 403


def test_another_tenants_app_is_not_found(backend: APIClient, globex: TenantCreated, client_for: ClientFor) -> None:
    made = backend.post("/v1/apps", sns()).data
    assert client_for(globex).get(f"/v1/apps/{made['id']}").status_code == 404
    assert client_for(globex).delete("/v1/apps/acme-ios").status_code == 404


def test_the_database_refuses_an_arn_twice_as_well(acme: TenantCreated) -> None:
    sns_app_create(acme.tenant, "one", ARN, role_arn=ROLE)
    with pytest.raises(ApiError) as refused:
        sns_app_create(acme.tenant, "two", ARN, role_arn=ROLE)
    assert refused.value.code is ErrorCode.CONFLICT
