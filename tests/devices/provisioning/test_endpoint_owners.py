"""When AWS names one endpoint for two devices, only one device has it: pushes for one never reach the other's phone.
And no endpoint is left over at AWS."""

from datetime import timedelta
from itertools import count
from typing import Any
from unittest.mock import Mock
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from devices.credentials import credentials_open
from devices.models import App, Device
from devices.provisioning.provision import PROVISIONING
from devices.provisioning.sql import ClaimedDevice, provision_claim, provision_own
from devices.sealing import endpoint_unseal
from devices.services import endpoints_mark_gone
from providers.errors import VendorError, VendorMisconfigured, VendorRetry
from providers.provisioning import ProvisionedEndpoint
from providers.sns import endpoints, provisioner
from providers.sns.access import access_get
from sandbox.testing import SandboxProcess, SnsApplication
from tests.devices.builders import actions, put, run_due
from tests.devices.conftest import apns_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def moved(backend: APIClient, application: SnsApplication) -> Device:
    """A device whose endpoint still has its old token. Another device has that token now."""
    key, old = uuid4(), apns_token()
    put(backend, key, old, user_id="alice")
    run_due()
    put(backend, key, apns_token())
    put_off(key)
    put(backend, uuid4(), old, user_id="bob")
    return Device.objects.get(device_id=key)


def put_off(device_id: UUID) -> None:
    Device.objects.filter(device_id=device_id).update(provision_due_at=timezone.now() + timedelta(minutes=5))


def successor(moved: Device) -> Device:
    return Device.objects.exclude(id=moved.id).get()


def claim() -> ClaimedDevice:
    """A worker claims the due device; its call has no response yet."""
    with connection.cursor() as cursor:
        [claimed] = provision_claim(cursor, limit=16)
    return claimed


def leases_end() -> None:
    Device.objects.exclude(provision_lease=None).update(provision_lease_expires_at=timezone.now())


def token_at_aws(device: Device) -> str:
    app = App.objects.get(id=device.app_id)
    credentials: Any = credentials_open(app_id=app.id, version=app.version, vapid_key_id=None)
    response = access_get(credentials).client.get_endpoint_attributes(EndpointArn=device.endpoint_arn)
    return response["Attributes"]["Token"]


def each_has_its_own() -> bool:
    """Whether every live device is reached, at an endpoint with its own token, when nothing is due any more."""
    leases_end()
    for _ in range(3):
        run_due()
    devices = Device.objects.filter(deleted_at=None)
    assert {device.endpoint_state for device in devices} == {"active"}
    return all(
        token_at_aws(device) == endpoint_unseal(bytes(device.endpoint_sealed or b""), provider="sns")["token"]
        for device in devices
    )


def test_the_device_with_the_token_takes_the_endpoint(moved: Device) -> None:
    PROVISIONING.step()
    assert (successor(moved).endpoint_arn, successor(moved).endpoint_state) == (moved.endpoint_arn, "active")
    moved.refresh_from_db()
    assert (moved.endpoint_arn, moved.endpoint_state) == ("", "pending")
    assert each_has_its_own()


def test_a_push_claimed_for_the_endpoint_is_not_sent_after_another_device_has_it(moved: Device) -> None:
    PROVISIONING.step()
    assert Device.objects.get(id=moved.id).token_version == moved.token_version + 1


def test_a_response_about_the_earlier_endpoint_does_not_change_the_new_one(
    backend: APIClient, application: SnsApplication
) -> None:
    put(backend, uuid4(), apns_token())
    device = Device.objects.get()
    run_due()
    Device.objects.update(provision_due_at=timezone.now())
    with connection.cursor() as cursor:
        assert provision_own(cursor, claimed=claim(), endpoint_arn=f"{application.arn}/another")
    assert endpoints_mark_gone(rows=[(device.id, device.token_version)], reason="EndpointDisabled") == 0


def test_an_endpoint_that_aws_has_replaced_is_used_after_the_same_step(
    backend: APIClient, application: SnsApplication
) -> None:
    put(backend, uuid4(), apns_token())
    run_due()
    before, _, _ = Device.objects.get().endpoint_arn.rpartition("/")
    Device.objects.update(endpoint_arn=f"{before}/{uuid4()}", provision_due_at=timezone.now())
    PROVISIONING.step()
    device = Device.objects.get()
    assert (device.endpoint_state, device.token_version, device.provision_due_at) == ("active", 2, None)


def test_an_unstable_endpoint_is_retried_less_and_less_often(
    backend: APIClient, application: SnsApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(backend, uuid4(), apns_token())
    arns = (f"{application.arn}/{number}" for number in count())
    monkeypatch.setattr(provisioner, "endpoint_ensure", lambda **_: ProvisionedEndpoint(next(arns), ready=False))
    for _ in range(3):
        Device.objects.update(provision_due_at=timezone.now())
        PROVISIONING.step()
    device = Device.objects.get()
    assert (device.endpoint_state, device.provision_attempts) == ("pending", 3)


def test_a_device_waits_while_a_call_may_set_the_endpoints_token(moved: Device) -> None:
    put_off(successor(moved).device_id)
    Device.objects.filter(id=moved.id).update(provision_due_at=timezone.now())
    claim()
    Device.objects.filter(id=successor(moved).id).update(provision_due_at=timezone.now())
    PROVISIONING.step()
    assert (successor(moved).endpoint_arn, successor(moved).endpoint_state) == ("", "pending")
    assert each_has_its_own()


def test_a_device_takes_no_endpoint_that_was_set_during_its_call(moved: Device) -> None:
    """AWS answered the endpoint. Then the other device's call set its token, and pushes go to it."""
    asked = claim()
    Device.objects.filter(id=moved.id).update(provision_due_at=timezone.now())
    PROVISIONING.step()
    with connection.cursor() as cursor:
        assert not provision_own(cursor, claimed=asked, endpoint_arn=moved.endpoint_arn)
    assert Device.objects.filter(id=moved.id, endpoint_arn=moved.endpoint_arn, endpoint_state="pending").exists()
    assert each_has_its_own()


def test_a_device_takes_the_endpoint_of_a_tombstone(backend: APIClient, moved: Device, sandbox: SandboxProcess) -> None:
    backend.delete(f"/v1/devices/{moved.device_id}")
    put_off(moved.device_id)
    PROVISIONING.step()
    assert successor(moved).endpoint_arn == moved.endpoint_arn
    assert sandbox.get("counters")["sns_endpoints"] == 1


def test_a_device_gets_its_own_endpoint_while_a_tombstone_deletes_another(backend: APIClient, moved: Device) -> None:
    backend.delete(f"/v1/devices/{moved.device_id}")
    put_off(successor(moved).device_id)
    claim()
    run_due()
    assert successor(moved).endpoint_arn == ""
    assert each_has_its_own()


def test_a_tombstone_without_an_arn_leaves_the_live_devices_endpoint(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    """Its call got no response. In the meantime the device was registered again and its endpoint was created."""
    key, token = uuid4(), apns_token()
    put(backend, key, token)
    Device.objects.update(provision_attempts=1)
    backend.delete(f"/v1/devices/{key}")
    put_off(key)
    put(backend, key, token)
    PROVISIONING.step()
    sandbox.reset()
    run_due()
    assert (sandbox.calls(), sandbox.get("counters")["sns_endpoints"]) == ([], 1)


def test_a_tombstone_deletes_no_endpoint_that_a_live_device_has(
    backend: APIClient, moved: Device, sandbox: SandboxProcess
) -> None:
    put_off(successor(moved).device_id)
    Device.objects.filter(id=moved.id).update(
        deleted_at=timezone.now(), endpoint_state="none", provision_due_at=timezone.now()
    )
    tombstone = claim()
    arn = tombstone.endpoint_arn
    Device.objects.filter(id=moved.id).update(endpoint_arn="")
    Device.objects.filter(device_id=successor(moved).device_id).update(endpoint_arn=arn)
    with connection.cursor() as cursor:
        assert not provision_own(cursor, claimed=tombstone, endpoint_arn=arn)


def test_a_device_waits_for_the_tombstone_with_its_token(backend: APIClient, application: SnsApplication) -> None:
    key, token = uuid4(), apns_token()
    put(backend, key, token)
    run_due()
    backend.delete(f"/v1/devices/{key}")
    put(backend, key, token)
    Device.objects.filter(deleted_at=None).update(endpoint_arn="another, so that none is handed over")
    assert claim().deleted
    with connection.cursor() as cursor:
        assert provision_claim(cursor, limit=16) == []
        Device.objects.exclude(deleted_at=None).update(provision_due_at=None, provision_lease=None)
        assert [found.deleted for found in provision_claim(cursor, limit=16)] == [False]


@pytest.mark.parametrize("failure", [VendorRetry("ReadTimeoutError"), VendorMisconfigured("AuthorizationError")])
def test_an_endpoint_that_was_created_and_could_not_be_read_is_kept(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess, failure: VendorError
) -> None:
    key = uuid4()
    put(backend, key, apns_token())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(endpoints._Ensure, "check", Mock(side_effect=failure))
        PROVISIONING.step()
    put(backend, key, apns_token())
    backend.delete(f"/v1/devices/{key}")
    App.objects.update(state="active")
    run_due()
    assert (actions(sandbox)[-1], sandbox.get("counters")["sns_endpoints"]) == ("DeleteEndpoint", 0)


def test_an_endpoint_that_another_replaces_is_deleted(
    backend: APIClient, application: SnsApplication, sandbox: SandboxProcess
) -> None:
    """The token has an endpoint already, of a row that does not exist any more."""
    key, token = uuid4(), apns_token()
    put(backend, uuid4(), token)
    run_due()
    Device.objects.all().delete()
    put(backend, key, apns_token())
    run_due()
    put(backend, key, token)
    run_due()
    assert each_has_its_own()
    assert sandbox.get("counters")["sns_endpoints"] == 1
