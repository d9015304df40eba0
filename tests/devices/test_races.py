"""Concurrent registrations on separate connections: one consistent state remains, and every error is documented."""

import threading
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from devices.models import Device
from devices.provisioning.provision import PROVISIONING
from devices.services import device_delete, endpoints_mark_gone
from devices.types import DeviceRegistered
from pushhub.kernel.errors import ApiError, ErrorCode
from sandbox.testing import SandboxProcess
from tenants.erasure import end_user_erase
from tenants.services import TenantCreated
from tests.devices.builders import at_once, register
from tests.devices.conftest import SnsApp, apns_token, subscription
from tests.threads import in_the_background

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 32


def test_one_device_registered_concurrently_is_created_once(acme: TenantCreated) -> None:
    key, body = uuid4(), subscription()
    found = at_once(MANY, lambda _: register(acme, key, user="alice", subscription=body))
    assert Counter(type(result) for result in found) == {DeviceRegistered: MANY}
    assert sum(result.created for result in found) == 1
    assert Device.objects.count() == 1


def test_one_device_with_concurrent_subscriptions_keeps_one(acme: TenantCreated) -> None:
    key = uuid4()
    found = at_once(MANY, lambda _: register(acme, key, subscription=subscription()))
    assert {type(result) for result in found} == {DeviceRegistered}
    assert Device.objects.get().token_version == MANY


def test_one_token_on_many_devices_belongs_to_one(acme: TenantCreated) -> None:
    body = subscription()
    found = at_once(MANY, lambda _: register(acme, uuid4(), subscription=body))
    assert {type(result) for result in found} == {DeviceRegistered}
    assert Device.objects.filter(deleted_at=None).count() == 1
    assert Device.objects.filter(deleted_at__isnull=False).count() == MANY - 1


def test_two_devices_swapping_their_tokens_do_not_deadlock(acme: TenantCreated) -> None:
    keys, bodies = (uuid4(), uuid4()), (subscription(), subscription())
    found = at_once(MANY, lambda i: register(acme, keys[i % 2], subscription=bodies[i // 2 % 2]))
    assert {type(result) for result in found} == {DeviceRegistered}
    live = list(Device.objects.filter(deleted_at=None))
    assert 1 <= len(live) <= 2
    assert len({bytes(device.endpoint_hash or b"") for device in live}) == len(live)


def test_a_second_user_without_proof_does_not_get_the_device(acme: TenantCreated) -> None:
    key = uuid4()
    users = ("alice", "bob")
    found = at_once(MANY, lambda i: register(acme, key, user=users[i % 2], server=False, subscription=subscription()))
    winner = next(result.device.user for result in found if isinstance(result, DeviceRegistered))
    refused = [result for result in found if isinstance(result, ApiError)]
    assert len(refused) == MANY // 2
    assert {error.code for error in refused} == {ErrorCode.NOT_FOUND}
    assert Device.objects.get().user == winner


def test_two_users_with_proof_leave_one_consistent_mapping(acme: TenantCreated) -> None:
    key, body, users = uuid4(), subscription(), ("alice", "bob")
    found = at_once(MANY, lambda i: register(acme, key, user=users[i % 2], server=False, subscription=body))
    assert {type(result) for result in found} == {DeviceRegistered}
    changes = Device.objects.get().generation - 1
    assert 1 <= changes < MANY


def test_a_registration_during_a_gone_report_does_not_deadlock(acme: TenantCreated) -> None:
    keys, bodies = [uuid4() for _ in range(4)], [subscription() for _ in range(4)]
    rows = [register(acme, keys[i], subscription=bodies[i]).device for i in range(4)]
    pairs = [(row.id, row.token_version) for row in rows]

    def work(index: int) -> Any:
        if index % 4 == 0:
            return endpoints_mark_gone(rows=pairs[:: -1 if index % 8 else 1], reason="410")
        return register(acme, keys[index % 4], subscription=bodies[(index + 1) % 4])

    assert {type(result) for result in at_once(MANY, work)} <= {DeviceRegistered, int}


def test_a_registration_during_an_erasure_leaves_a_consistent_state(acme: TenantCreated) -> None:
    keys = [uuid4() for _ in range(8)]

    def work(index: int) -> Any:
        if index % 4 == 0:
            return end_user_erase(tenant=acme.tenant, user_id="alice")
        return register(acme, keys[index % 8], user="alice", subscription=subscription())

    assert {type(result) for result in at_once(MANY, work)} <= {DeviceRegistered, bool}
    assert not Device.objects.filter(deleted_at=None, user=None).exists()


def test_a_token_changed_during_the_call_wins(acme: TenantCreated, sns_app: SnsApp, sandbox: SandboxProcess) -> None:
    sns_app(acme.tenant)
    key, newer = uuid4(), apns_token()
    register(acme, key, platform="ios", token=apns_token())
    sandbox.post("sns/delays", action="CreatePlatformEndpoint", seconds=1.0)
    worker = in_the_background(PROVISIONING.step)
    wait_for_call(sandbox, "CreatePlatformEndpoint")
    register(acme, key, platform="ios", token=newer)
    worker.join(20)
    device = Device.objects.get()
    assert (device.endpoint_state, device.provision_lease) == ("pending", None)
    assert device.endpoint_arn != ""
    PROVISIONING.step()
    device.refresh_from_db()
    assert device.endpoint_state == "active"
    assert endpoint_tokens(sandbox) == 1


def test_a_device_deleted_during_the_call_leaves_no_endpoint(
    acme: TenantCreated, sns_app: SnsApp, sandbox: SandboxProcess
) -> None:
    sns_app(acme.tenant)
    key = uuid4()
    register(acme, key, platform="ios", token=apns_token())
    sandbox.post("sns/delays", action="CreatePlatformEndpoint", seconds=1.0)
    worker = in_the_background(PROVISIONING.step)
    wait_for_call(sandbox, "CreatePlatformEndpoint")
    device_delete(tenant=acme.tenant, device_id=key)
    worker.join(20)
    PROVISIONING.step()
    assert endpoint_tokens(sandbox) == 0


def test_many_workers_call_once_for_each_device(acme: TenantCreated, sns_app: SnsApp, sandbox: SandboxProcess) -> None:
    sns_app(acme.tenant)
    for _ in range(20):
        register(acme, uuid4(), platform="ios", token=apns_token())
    at_once(4, lambda _: [PROVISIONING.step() for _ in range(5)])
    assert Device.objects.filter(endpoint_state="active").count() == 20
    assert sandbox.call_counts()["CreatePlatformEndpoint"] == 20


def wait_for_call(sandbox: SandboxProcess, action: str) -> None:
    for _ in range(200):
        if sandbox.calls(action):
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"{action} was not called")


def endpoint_tokens(sandbox: SandboxProcess) -> int:
    count: int = sandbox.get("counters")["sns_endpoints"]
    return count
