"""The worker creates and updates SNS endpoints, against the sandbox over HTTP."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import App, AwsQuota, Device
from devices.provisioning.provision import PROVISIONING
from devices.provisioning.sql import ATTEMPTS_COUNTED, START_SECONDS, ClaimedDevice, provision_claim
from providers.errors import CredentialsPending
from sandbox.testing import SandboxProcess, SnsApplication
from tenants.services import TenantCreated
from tests.devices.builders import actions, put, run_due
from tests.devices.conftest import SnsApp, apns_token

pytestmark = pytest.mark.django_db

Register = Callable[..., Any]


@pytest.fixture
def device_id(backend: APIClient, application: SnsApplication, sandbox: SandboxProcess) -> str:
    """A device of alice whose endpoint is active. The sandbox's list of calls is empty."""
    key = str(uuid4())
    put(backend, key, apns_token(), user_id="alice")
    run_due()
    sandbox.reset()
    return key


def test_a_new_device_waits_and_becomes_active(backend: APIClient, application: SnsApplication) -> None:
    key = uuid4()
    assert put(backend, key, apns_token()).data["endpoint"]["state"] == "pending"
    run_due()
    assert backend.get(f"/v1/devices/{key}").data["endpoint"]["state"] == "active"
    assert Device.objects.get().endpoint_arn.startswith(application.arn.replace(":app/", ":endpoint/"))


def test_no_user_data_is_sent_to_aws(backend: APIClient, application: SnsApplication, sandbox: SandboxProcess) -> None:
    put(backend, uuid4(), apns_token(), user_id="alice")
    run_due()
    assert actions(sandbox) == ["CreatePlatformEndpoint", "GetEndpointAttributes"]
    assert sandbox.violations() == []


def test_the_same_token_again_soon_makes_no_call(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    key, token = uuid4(), apns_token()
    put(backend, key, token)
    run_due()
    sandbox.reset()
    put(backend, key, token.upper())
    run_due()
    assert actions(sandbox) == []


def test_the_same_token_after_a_day_is_verified_while_pushes_go_on(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    key, token = uuid4(), apns_token()
    put(backend, key, token)
    run_due()
    sandbox.reset()
    Device.objects.update(verified_at=timezone.now() - timedelta(hours=25))
    assert put(backend, key, token).data["endpoint"]["state"] == "active"
    run_due()
    assert actions(sandbox) == ["GetEndpointAttributes"]


def test_a_new_token_is_set_at_the_same_endpoint(backend: APIClient, device_id: str, sandbox: SandboxProcess) -> None:
    arn = Device.objects.get().endpoint_arn
    assert put(backend, device_id, apns_token()).data["endpoint"]["state"] == "pending"
    run_due()
    assert actions(sandbox) == ["GetEndpointAttributes", "SetEndpointAttributes"]
    assert Device.objects.get().endpoint_arn == arn


def test_another_user_of_the_device_needs_no_call(backend: APIClient, device_id: str, sandbox: SandboxProcess) -> None:
    backend.patch(f"/v1/devices/{device_id}", {"user_id": "bob"})
    run_due()
    assert actions(sandbox) == []


def test_a_disabled_endpoint_is_enabled_by_registering_again(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    key, token = uuid4(), apns_token()
    put(backend, key, token)
    run_due()
    Device.objects.update(endpoint_state="disabled", endpoint_reason="EndpointDisabled")
    assert put(backend, key, token).data["endpoint"]["state"] == "pending"
    run_due()
    assert Device.objects.get().endpoint_state == "active"


def test_a_token_moving_to_another_device_keeps_one_endpoint(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    token = apns_token()
    put(backend, uuid4(), token)
    run_due()
    put(backend, uuid4(), token)
    run_due()
    assert Device.objects.get(deleted_at=None).endpoint_state == "active"
    assert "DeleteEndpoint" not in actions(sandbox)
    assert sandbox.get("counters")["sns_endpoints"] == 1


def test_two_devices_swapping_tokens_leave_one_endpoint_each(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    """The first takes the second's token: the second is retired, and the endpoint that is left over is deleted."""
    first, second = uuid4(), uuid4()
    put(backend, first, apns_token())
    token = apns_token()
    put(backend, second, token)
    run_due()
    put(backend, first, token)
    run_due()
    assert actions(sandbox).count("DeleteEndpoint") == 1
    assert sandbox.get("counters")["sns_endpoints"] == 1
    assert Device.objects.get(deleted_at=None).endpoint_state == "active"


def test_a_deleted_device_is_a_tombstone_until_its_endpoint_is_deleted(
    backend: APIClient, device_id: str, sandbox: SandboxProcess
) -> None:
    backend.delete(f"/v1/devices/{device_id}")
    assert Device.objects.get().endpoint_arn != ""
    run_due()
    assert actions(sandbox) == ["DeleteEndpoint"]
    assert Device.objects.get().endpoint_arn == ""
    assert Device.objects.get().provision_due_at is None


def test_a_failed_deletion_is_retried(backend: APIClient, device_id: str, sandbox: SandboxProcess) -> None:
    backend.delete(f"/v1/devices/{device_id}")
    sandbox.outage(60, 503, "sns")
    PROVISIONING.step()
    assert Device.objects.get().endpoint_arn != ""
    sandbox.outage(0)
    run_due()
    assert sandbox.get("counters")["sns_endpoints"] == 0


def test_a_deleted_device_that_registers_again_keeps_its_endpoint(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    key, token = uuid4(), apns_token()
    put(backend, key, token)
    run_due()
    backend.delete(f"/v1/devices/{key}")
    put(backend, key, token)
    sandbox.reset()
    run_due()
    assert "DeleteEndpoint" not in actions(sandbox)
    assert Device.objects.get(deleted_at=None).endpoint_state == "active"
    assert not Device.objects.filter(deleted_at__isnull=False, provision_due_at__isnull=False).exists()


def test_erasing_a_user_deletes_their_endpoints(backend: APIClient, device_id: str, sandbox: SandboxProcess) -> None:
    backend.delete("/v1/users/alice")
    run_due()
    assert sandbox.get("counters")["sns_endpoints"] == 0


def test_a_failure_at_aws_is_retried_later(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    put(backend, uuid4(), apns_token())
    sandbox.outage(60, 503, "sns")
    PROVISIONING.step()
    device = Device.objects.get()
    assert (device.endpoint_state, device.provision_attempts, device.provision_lease) == ("pending", 1, None)
    sandbox.outage(0)
    run_due()
    assert Device.objects.get().endpoint_state == "active"


def test_a_device_waits_for_secrets_that_are_still_being_read(
    backend: APIClient, application: SnsApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(backend, uuid4(), apns_token())
    with monkeypatch.context() as patch:
        pending = Mock(side_effect=CredentialsPending(code="ParameterPending", after=1.0))
        patch.setattr("devices.provisioning.rounds.credentials_open", pending)
        PROVISIONING.step()
    assert (App.objects.get(provider="sns").state, Device.objects.get().provision_attempts) == ("active", 1)
    run_due()
    assert Device.objects.get().endpoint_state == "active"


def test_refused_credentials_pause_the_app_and_keep_the_device(
    backend: APIClient, acme: TenantCreated, sns_app: SnsApp, sandbox: SandboxProcess
) -> None:
    app, _ = sns_app(acme.tenant)
    stranger = sandbox.mint_credentials(account="999999999999")
    keys = {name: stranger[name] for name in ("access_key_id", "secret_access_key")}
    backend.patch(f"/v1/apps/{app.name}", {"credentials": keys})
    put(backend, uuid4(), apns_token())
    run_due()
    assert App.objects.get(id=app.id).state == "misconfigured"
    assert Device.objects.get().endpoint_state == "pending"


def test_devices_of_a_paused_app_cause_no_call(
    backend: APIClient, acme: TenantCreated, sns_app: SnsApp, sandbox: SandboxProcess
) -> None:
    app, _ = sns_app(acme.tenant)
    put(backend, uuid4(), apns_token())
    backend.patch(f"/v1/apps/{app.name}", {"enabled": False})
    run_due()
    assert actions(sandbox) == []
    backend.patch(f"/v1/apps/{app.name}", {"enabled": True})
    run_due()
    assert Device.objects.get().endpoint_state == "active"


def test_a_disabled_apps_erased_endpoints_are_deleted(
    backend: APIClient, device_id: str, sandbox: SandboxProcess
) -> None:
    backend.patch("/v1/apps/acme-ios", {"enabled": False})
    backend.delete("/v1/users/alice")
    run_due()
    assert sandbox.get("counters")["sns_endpoints"] == 0


def test_a_parameter_that_is_no_object_pauses_only_its_app(
    backend: APIClient, acme: TenantCreated, sns_app: SnsApp, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine, made = sns_app(acme.tenant)
    broken, _ = sns_app(acme.tenant, name="broken")
    App.objects.filter(id=broken.id).update(credential_kind="parameter", parameter_name="/broken")
    sandbox.post("ssm/parameters", name="/broken", value="[]", region=made.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", made.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made.secret_access_key)
    for app in (broken, fine):
        put(backend, uuid4(), apns_token(), app=app.name)
    PROVISIONING.step()
    assert dict(Device.objects.values_list("app__name", "endpoint_state")) == {
        broken.name: "pending",
        fine.name: "active",
    }
    assert Device.objects.get(app=broken).provision_attempts == 1


def test_an_app_of_a_removed_provider_does_not_stop_the_others(
    backend: APIClient, acme: TenantCreated, sns_app: SnsApp
) -> None:
    fine, _ = sns_app(acme.tenant)
    removed, _ = sns_app(acme.tenant, name="removed")
    for app in (removed, fine):
        put(backend, uuid4(), apns_token(), app=app.name)
    App.objects.filter(id=removed.id).update(provider="gone")
    PROVISIONING.step()
    assert Device.objects.get(app=fine).endpoint_state == "active"
    assert App.objects.get(id=removed.id).state == "misconfigured"


def test_the_accounts_quota_limits_the_calls(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    for _ in range(5):
        put(backend, uuid4(), apns_token())
    AwsQuota.objects.create(account_id=application.account, region=application.region, rate=6, tokens=6)
    PROVISIONING.step()
    assert Device.objects.filter(endpoint_state="active").count() == 2
    assert set(Device.objects.values_list("provision_attempts", flat=True)) == {0}


def test_a_dead_workers_claim_is_claimed_again(backend: APIClient, application: SnsApplication) -> None:
    put(backend, uuid4(), apns_token())
    past = timezone.now() - timedelta(seconds=1)
    Device.objects.update(provision_lease=uuid4(), provision_lease_expires_at=timezone.now() + timedelta(minutes=1))
    run_due()
    assert Device.objects.get().endpoint_state == "pending"
    Device.objects.update(provision_lease_expires_at=past)
    run_due()
    assert Device.objects.get().endpoint_state == "active"


def test_no_call_starts_late_in_the_lease(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(backend, uuid4(), apns_token())
    now = time.monotonic

    def slow_claim(*arguments: Any, **options: Any) -> list[ClaimedDevice]:
        claimed = provision_claim(*arguments, **options)
        monkeypatch.setattr(time, "monotonic", lambda: now() + START_SECONDS)
        return claimed

    monkeypatch.setattr("devices.provisioning.provision.provision_claim", slow_claim)
    PROVISIONING.step()
    assert actions(sandbox) == []
    assert (Device.objects.get().endpoint_state, Device.objects.get().provision_attempts) == ("pending", 1)


def test_a_device_deleted_after_a_call_without_a_response_leaves_no_endpoint(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    """The endpoint was created and its ARN was lost: the token leads to it."""
    key, token = uuid4(), apns_token()
    put(backend, key, token)
    run_due()
    past = timezone.now() - timedelta(seconds=1)
    Device.objects.update(endpoint_arn="", provision_lease=uuid4(), provision_lease_expires_at=past)
    backend.delete(f"/v1/devices/{key}")
    run_due()
    assert sandbox.get("counters")["sns_endpoints"] == 0


def test_the_count_of_attempts_has_a_maximum(backend: APIClient, device_id: str, sandbox: SandboxProcess) -> None:
    Device.objects.update(provision_attempts=32767, provision_due_at=timezone.now())
    sandbox.outage(60, 503, "sns")
    PROVISIONING.step()
    assert Device.objects.get().provision_attempts == ATTEMPTS_COUNTED
