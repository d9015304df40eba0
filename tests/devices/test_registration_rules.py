"""The rules of a registration, as a table: who may change what, and which rows change. Without a database."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from devices.device_secret import secret_hash
from devices.models import OPERATOR, App, Device, EndpointState, VapidKey
from devices.registration_rules import (
    LAST_SEEN_INTERVAL,
    EndpointChange,
    Proof,
    RegistrationContext,
    RegistrationPlan,
    RowChange,
    is_repeat,
    proof_of,
    registering_user_id,
    registration_plan,
)
from devices.sealing import endpoint_hash, endpoint_seal
from devices.types import UNSET, Address, DeviceRegistration, Unset
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller
from tenants.models import EndUser, Tenant

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
TENANT = Tenant(id=uuid4(), slug="acme")
IOS = App(id=uuid4(), name="ios", provider="sns")
OTHER_APP = App(id=uuid4(), name="other", provider="sns")
STUB = App(id=uuid4(), name="stub", provider="stub")
SECRET = "phd_secret"
KEY = VapidKey(id=uuid4())
SERVER = Caller(TENANT, "server_key", "key:test")
ALICE = Caller(TENANT, "user_token", "user:alice", user_id="alice")
BOB = Caller(TENANT, "user_token", "user:bob", user_id="bob")
SECRET_ONLY = Caller(TENANT, "user_token", "device:test")


def address(token: str, *, names_key: bool = False) -> Address:
    return Address(hash=endpoint_hash(token), fields={"token": token}, names_key=names_key)


def device(pk: int = 1, token: str = "old", **changes: Any) -> Device:
    """Alice's device at an SNS endpoint that AWS confirmed an hour ago."""
    return Device(
        id=pk,
        **{
            "tenant": TENANT,
            "app": IOS,
            "user": EndUser(id=1, tenant=TENANT, user_id="alice"),
            "secret_hash": secret_hash(SECRET),
            "endpoint_state": EndpointState.ACTIVE,
            "endpoint_hash": endpoint_hash(token),
            "endpoint_sealed": endpoint_seal({"token": token}, provider="sns"),
            "endpoint_arn": f"arn:{pk}",
            "verified_at": NOW - timedelta(hours=1),
            "last_seen_at": NOW,
            **changes,
        },
    )


def context(
    *,
    caller: Caller = SERVER,
    device: Device | None = None,
    token: str = "old",
    app: App = IOS,
    user_id: str | Unset | None = UNSET,
    holder: Device | None = None,
    names_key: bool = False,
    **body: Any,
) -> RegistrationContext:
    return RegistrationContext(
        caller=caller,
        body=DeviceRegistration(platform="ios", **body),
        user_id=user_id,
        app=app,
        address=address(token, names_key=names_key),
        now=NOW,
        verify_after=DAY,
        device=device,
        holder=holder,
    )


@pytest.mark.parametrize(
    ("caller", "body_user_id", "expected"),
    [
        (SERVER, UNSET, UNSET),
        (SERVER, "bob", "bob"),
        (SERVER, None, None),
        (ALICE, UNSET, "alice"),
        (ALICE, "alice", "alice"),
        (ALICE, None, None),
        (ALICE, "bob", ErrorCode.FORBIDDEN),
        (SECRET_ONLY, UNSET, UNSET),
        (SECRET_ONLY, None, None),
        (SECRET_ONLY, "bob", ErrorCode.FORBIDDEN),
    ],
)
def test_which_user_the_device_gets(caller: Caller, body_user_id: str | Unset | None, expected: object) -> None:
    body = DeviceRegistration(platform="ios", user_id=body_user_id)
    assert result(lambda: registering_user_id(caller, body)) == expected


@pytest.mark.parametrize(
    ("caller", "token", "secret", "expected"),
    [
        (SERVER, "new", "", Proof.SERVER_KEY),
        (ALICE, "new", "", Proof.OWN_DEVICE),
        (BOB, "new", SECRET, Proof.DEVICE_SECRET),
        (BOB, "old", "", Proof.CURRENT_TOKEN),
        (BOB, "new", "", None),
        (BOB, "new", "phd_wrong", None),
        (SECRET_ONLY, "new", SECRET, Proof.DEVICE_SECRET),
        (SECRET_ONLY, "new", "phd_wrong", None),
        (SECRET_ONLY, "old", "phd_wrong", None),
    ],
)
def test_what_proves_that_a_caller_may_change_a_device(
    caller: Caller, token: str, secret: str, expected: Proof | None
) -> None:
    given = context(caller=caller, token=token, device_secret=secret)
    assert proof_of(given, device()) is expected


def test_a_device_without_a_user_needs_a_proof() -> None:
    assert proof_of(context(caller=SECRET_ONLY, token="new"), device(user=None)) is None


def other_keys(given: RegistrationContext) -> RegistrationContext:
    """The same push URL with keys that the device does not have."""
    return replace(given, address=replace(given.address, fields={"token": "other keys"}))


@pytest.mark.parametrize(
    ("caller", "secret", "expected"),
    [
        (SERVER, "", Proof.SERVER_KEY),
        (ALICE, "", Proof.OWN_DEVICE),
        (BOB, SECRET, Proof.DEVICE_SECRET),
        (BOB, "", None),
        (SECRET_ONLY, "phd_wrong", None),
    ],
)
def test_who_may_replace_the_keys_of_a_subscription(caller: Caller, secret: str, expected: Proof | None) -> None:
    assert proof_of(other_keys(context(caller=caller, device_secret=secret)), device()) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (context(caller=BOB, holder=device(2)), 1),
        (other_keys(context(caller=BOB, holder=device(2))), ErrorCode.SUBSCRIPTION_INVALID),
        (other_keys(context(caller=ALICE, holder=device(2))), 1),
        (other_keys(context(holder=device(2))), 1),
    ],
)
def test_who_may_move_a_subscription_from_another_device(given: RegistrationContext, expected: object) -> None:
    assert result(lambda: len(registration_plan(given).retirements)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (context(), RowChange.CREATE),
        (context(caller=ALICE), RowChange.CREATE),
        (context(caller=SECRET_ONLY, device_secret=SECRET), ErrorCode.NOT_FOUND),
        (context(device=device()), RowChange.UPDATE),
        (context(device=device(), token="new"), RowChange.UPDATE),
        (context(device=device(), caller=BOB, token="new"), ErrorCode.NOT_FOUND),
        (context(device=device(), app=OTHER_APP), RowChange.REPLACE),
        (context(device=device(), app=OTHER_APP, caller=BOB, token="new"), ErrorCode.NOT_FOUND),
    ],
)
def test_which_row_is_written(given: RegistrationContext, expected: object) -> None:
    assert result(lambda: registration_plan(given).row) == expected


@pytest.mark.parametrize(
    ("changes", "token", "expected"),
    [
        ({}, "old", EndpointChange.KEEP),
        ({}, "new", EndpointChange.REPLACE),
        ({"verified_at": None}, "old", EndpointChange.VERIFY),
        ({"verified_at": NOW - DAY}, "old", EndpointChange.VERIFY),
        ({"verified_at": NOW - DAY, "provision_due_at": NOW}, "old", EndpointChange.KEEP),
        ({"endpoint_state": EndpointState.DISABLED}, "old", EndpointChange.REENABLE),
        ({"endpoint_state": EndpointState.GONE}, "old", EndpointChange.REENABLE),
        ({"endpoint_state": EndpointState.DISABLED, "endpoint_reason": OPERATOR}, "old", EndpointChange.KEEP),
        (
            {"endpoint_state": EndpointState.DISABLED, "endpoint_reason": OPERATOR},
            "new",
            EndpointChange.REPLACE_DISABLED,
        ),
        ({"app": STUB, "endpoint_state": EndpointState.GONE}, "old", EndpointChange.KEEP),
    ],
)
def test_how_the_endpoint_changes(changes: dict[str, Any], token: str, expected: EndpointChange) -> None:
    known = device(**changes)
    assert registration_plan(context(device=known, token=token, app=known.app)).changes.endpoint is expected


def test_the_keys_of_a_subscription_are_part_of_its_endpoint() -> None:
    given = context(device=device())
    other = replace(given, address=replace(given.address, fields={"token": "other keys"}))
    assert registration_plan(other).changes.endpoint is EndpointChange.REPLACE


@pytest.mark.parametrize(
    ("user_id", "expected"), [(UNSET, False), ("alice", False), ("bob", True), (None, True)], ids=str
)
def test_when_the_user_of_a_row_changes(user_id: str | Unset | None, expected: bool) -> None:
    assert registration_plan(context(device=device(), user_id=user_id)).changes_user is expected


def test_only_the_profile_that_differs_is_written() -> None:
    known = device(locale="pt-BR", tags=["beta"])
    plan = registration_plan(context(device=known, profile={"locale": "pt-BR", "tags": ["alpha"]}))
    assert plan.changes.profile == {"tags": ["alpha"]}


@pytest.mark.parametrize(("names_key", "expected"), [(False, None), (True, KEY)])
def test_a_key_that_the_browser_names_is_noted(names_key: bool, expected: VapidKey | None) -> None:
    given = context(device=device(app=STUB), app=STUB, names_key=names_key)
    named = replace(given, address=replace(given.address, vapid_key=KEY))
    assert registration_plan(named).changes.vapid_key is expected


def retired(plan: RegistrationPlan) -> list[tuple[int, str, int | None]]:
    """(device, reason, the device whose SNS endpoint the tombstone keeps)."""
    return [(one.device.pk, one.reason, one.keeps.pk if one.keeps else None) for one in plan.retirements]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (context(device=device(1)), []),
        (context(device=device(1), app=OTHER_APP), [(1, "app_changed", 1)]),
        (context(holder=device(2)), [(2, "token_moved", None)]),
        (context(device=device(1, token="own"), holder=device(2)), [(2, "token_moved", 1)]),
        (
            context(device=device(1), app=OTHER_APP, holder=device(2)),
            [(1, "app_changed", 1), (2, "token_moved", None)],
        ),
    ],
)
def test_which_devices_are_retired(given: RegistrationContext, expected: object) -> None:
    assert retired(registration_plan(given)) == expected


def test_an_sns_endpoint_and_its_lease_move_with_the_token() -> None:
    lease = uuid4()
    holder = device(2, provision_lease=lease, provision_lease_expires_at=NOW, vapid_key=KEY)
    assert registration_plan(context(holder=holder)).moved == {
        "endpoint_arn": "arn:2",
        "provision_lease": lease,
        "provision_lease_expires_at": NOW,
        "vapid_key": KEY,
    }


def test_a_plan_does_not_show_the_endpoint_that_moves() -> None:
    plan = registration_plan(context(holder=device(2)))
    assert plan.moved["endpoint_arn"] == "arn:2"
    assert "arn:2" not in repr(plan)


def test_the_key_does_not_move_when_the_browser_names_one() -> None:
    plan = registration_plan(context(holder=device(2, vapid_key=KEY), names_key=True))
    assert "vapid_key" not in plan.moved


@pytest.mark.parametrize(("known", "expected"), [(None, True), (device(), False), (device(secret_hash=b""), True)])
def test_a_secret_is_created_once(known: Device | None, expected: bool) -> None:
    assert registration_plan(context(device=known)).creates_secret is expected


REPEAT = context(device=device(), user_id="alice")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (REPEAT, True),
        (context(device=device(), profile={"locale": ""}), True),
        (context(device=device(), profile={"locale": "pt"}), False),
        (context(device=device(), user_id="bob"), False),
        (context(device=device(), token="new"), False),
        (context(device=device(), app=OTHER_APP), False),
        (context(device=device(secret_hash=b"")), False),
        (context(device=device(last_seen_at=NOW - LAST_SEEN_INTERVAL)), False),
        (context(device=device(), caller=BOB, token="new"), False),
        (context(), False),
    ],
)
def test_what_counts_as_a_repeat(given: RegistrationContext, expected: bool) -> None:
    assert is_repeat(given) is expected


def result(call: Callable[[], object]) -> object:
    """What `call` answers, or the code of its ApiError."""
    try:
        return call()
    except ApiError as error:
        return error.code
