"""Registrations and workers' calls, interleaved at random down to AWS's single calls: no device is reached at an
endpoint with another device's token, and in the end each device has its own endpoint and none is left over."""

import random
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from botocore.exceptions import ClientError
from django.db import connection
from django.db.models.functions import Now

from devices.models import Device
from devices.provisioning.provision import settlement_write
from devices.provisioning.rounds import ProvisionRound, endpoint_own, round_call
from devices.provisioning.sql import ProvisionSettlement, provision_claim
from devices.sealing import endpoint_unseal
from devices.services import device_delete
from providers.sns import endpoints
from providers.sns.types import SnsCredentials
from pushhub.kernel.errors import ApiError
from sandbox.sns.sigv4 import Identity
from sandbox.sns.store import Store
from sandbox.sns.wire import AwsError
from tenants.services import TenantCreated
from tests.devices.builders import register, sns_app_create
from tests.devices.conftest import apns_token

IDENTITY = Identity(account="111122223333", region="eu-west-1", principal="pushhub")
CREDENTIALS = SnsCredentials(cache_key=("acme", 1), region=IDENTITY.region, access_key="k", secret="s")
OPERATIONS = 60


class NotFound(ClientError):
    pass


class InvalidParameter(ClientError):
    pass


class Aws:
    """boto3's client with the sandbox's rules. `meanwhile` runs before and after each call takes effect."""

    exceptions = SimpleNamespace(NotFoundException=NotFound, InvalidParameterException=InvalidParameter)

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.store = Store()
        self.store.stale_token_quota = 10_000
        self.application = self.store.application_create(
            identity=IDENTITY, platform="APNS", name="acme", given={"PlatformCredential": "x"}
        )
        self._meanwhile = meanwhile

    @contextmanager
    def _called(self) -> Any:
        self._meanwhile()
        try:
            yield
        except AwsError as error:
            kind = NotFound if error.code == "NotFound" else InvalidParameter
            raise kind({"Error": {"Code": error.code, "Message": error.message}}, "") from None
        self._meanwhile()

    def create_platform_endpoint(self, **given: str) -> dict[str, str]:
        with self._called():
            made = self.store.endpoint_create(application=self.application, token=given["Token"], given={})
        return {"EndpointArn": made.arn}

    def get_endpoint_attributes(self, **given: str) -> dict[str, Any]:
        with self._called():
            found = self.store.endpoint_get(IDENTITY, given["EndpointArn"]).attributes()
        return {"Attributes": found}

    def set_endpoint_attributes(self, **given: Any) -> None:
        with self._called():
            endpoint = self.store.endpoint_get(IDENTITY, given["EndpointArn"])
            self.store.endpoint_set(endpoint=endpoint, given=given["Attributes"])

    def delete_endpoint(self, **given: str) -> None:
        with self._called():
            self.store.endpoint_delete(IDENTITY, given["EndpointArn"])


class World:
    """Two installations, three tokens, any number of workers. `_under_way`: the next actions of the workers."""

    def __init__(self, created: TenantCreated, seed: int) -> None:
        self._random = random.Random(seed)
        self._created = created
        self._devices = [uuid4() for _ in range(2)]
        self._tokens = [apns_token() for _ in range(3)]
        self._under_way: list[Callable[[], None]] = []
        self._leases: set[UUID] = set()
        self._depth = 0
        self.lease_moved = False
        self.faults: list[str] = []
        self.aws = Aws(self._meanwhile)

    def anything(self) -> None:
        self._random.choice([*[self._register] * 3, self._delete, *[self.claim] * 4, *[self.go_on] * 12])()
        self._look()

    def come_to_rest(self) -> None:
        for _ in range(20):
            self.claim()
            while self.go_on():
                continue

    def claim(self) -> None:
        """Claim what is due. Leases of ended calls are removed first: a moved token may have taken one along."""
        Device.objects.exclude(provision_lease__in=self._leases).update(provision_lease=None)
        Device.objects.filter(provision_due_at__isnull=False, provision_lease=None).update(provision_due_at=Now())
        with connection.cursor() as cursor:
            for device in provision_claim(cursor, limit=self._random.randint(1, 4)):
                self._leases.add(device.lease)
                self._call_later(ProvisionRound(device=replace(device, start_by=float("inf")), credentials=CREDENTIALS))

    def go_on(self) -> bool:
        if self._under_way:
            self._under_way.pop(self._random.randrange(len(self._under_way)))()
        return bool(self._under_way)

    def _register(self) -> None:
        token = self._random.choice(self._tokens)
        before = leases()
        register(self._created, self._random.choice(self._devices), platform="ios", token=token)
        self.lease_moved |= bool(leases() - before)

    def _delete(self) -> None:
        with suppress(ApiError):
            device_delete(tenant=self._created.tenant, device_id=self._random.choice(self._devices))

    def _call_later(self, this: ProvisionRound) -> None:
        self._under_way.append(lambda: self._apply_later(round_call(this)))

    def _apply_later(self, result: ProvisionSettlement | ProvisionRound) -> None:
        self._under_way.append(lambda: self._apply(result))

    def _apply(self, result: ProvisionSettlement | ProvisionRound) -> None:
        following = endpoint_own(result) if isinstance(result, ProvisionRound) else result
        if isinstance(following, ProvisionRound):
            self._call_later(following)
        else:
            settlement_write(following.claimed, following)
            self._leases.discard(following.claimed.lease)

    def _meanwhile(self) -> None:
        self._depth += 1
        while self._depth < 2 and self._random.random() < 0.93:
            self.anything()
        self._depth -= 1

    def _look(self) -> None:
        """Faults are collected: an exception raised inside a call would look like the call's own failure."""
        arns = list(Device.objects.exclude(endpoint_arn="").values_list("endpoint_arn", flat=True))
        if len(arns) > len(set(arns)):
            self.faults.append("one endpoint of two devices")
        for device in Device.objects.filter(endpoint_state="active"):
            endpoint = self.aws.store.endpoints.get(device.endpoint_arn)
            if endpoint is None or (endpoint.token, endpoint.enabled) != (token_of(device), True):
                self.faults.append("a device reached at an endpoint that is not its own")


def leases() -> set[tuple[int, UUID | None]]:
    return set(Device.objects.exclude(provision_lease=None).values_list("id", "provision_lease"))


def token_of(device: Device) -> str:
    return endpoint_unseal(bytes(device.endpoint_sealed or b""), provider="sns")["token"]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(2, 5))  # seeds that mix endpoints up when endpoints have no owner
def test_no_order_mixes_endpoints_up(acme: TenantCreated, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    world = World(acme, seed)
    keys = {"access_key_id": "k", "secret_access_key": "s"}
    sns_app_create(acme.tenant, "ios", world.aws.application.arn, credentials=keys)
    monkeypatch.setattr(endpoints, "access_get", lambda credentials: SimpleNamespace(client=world.aws))
    for _ in range(OPERATIONS):
        world.anything()
    world.come_to_rest()
    assert world.faults == []
    live = Device.objects.filter(deleted_at=None)
    assert {device.endpoint_state for device in live} <= {"active"}
    # When a newer registration of the token takes a call's lease along, the endpoint that the call creates may be left
    # without a device.
    assert world.lease_moved or set(world.aws.store.endpoints) == {device.endpoint_arn for device in live}
