"""What a registration (PUT /v1/devices/{device_id}) changes. Pure rules: no database, no clock, no settings.

The service reads the rows, asks `registration_plan` and writes what the plan says. Two rules decide everything: a
device id has one live row, and so has a token or push URL of an app.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from devices.device_secret import secret_matches
from devices.models import OPERATOR, App, Device, EndpointState, VapidKey
from devices.sealing import endpoint_unseal
from devices.types import UNSET, Address, DeviceRegistration, Unset
from providers.registry import provider_get
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller

LAST_SEEN_INTERVAL: Final = timedelta(hours=1)  # a registration that changes nothing is noted this often

_MOVED_WITH_TOKEN: Final = ("endpoint_arn", "provision_lease", "provision_lease_expires_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationContext:
    """Everything that the rules look at.

    `user_id`: as `registering_user_id` says. `device`: the live row of this device id. `holder`: the live row of
    another device that has this token or push URL. `verify_after`: for how long AWS is not asked again about an SNS
    endpoint.
    """

    caller: Caller
    body: DeviceRegistration
    user_id: str | Unset | None
    app: App
    address: Address
    now: datetime
    verify_after: timedelta
    device: Device | None = None
    holder: Device | None = None


class Proof(Enum):
    """Why the caller may change a device that exists."""

    SERVER_KEY = "the tenant's backend"
    OWN_DEVICE = "the device's user"
    DEVICE_SECRET = "the secret that the first registration answered"  # noqa: S105
    CURRENT_TOKEN = "a user token, with the device's current token or whole subscription"  # noqa: S105


class RowChange(Enum):
    CREATE = "the device id has no live row"
    REPLACE = "the row belongs to another app: it is retired, and another one is created"
    UPDATE = "the row stays"


class EndpointChange(Enum):
    KEEP = "the same token or subscription, and nothing is due"
    REPLACE = "another token or subscription"
    REPLACE_DISABLED = "another token or subscription of a device that an operator switched off: it stays off"
    REENABLE = "the same token, whose SNS endpoint the vendor disabled or deleted"
    VERIFY = "the same token, and AWS has not been asked about its SNS endpoint for long"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChanges:
    """What changes on a row that stays, except its user."""

    endpoint: EndpointChange = EndpointChange.KEEP
    vapid_key: VapidKey | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return self.endpoint is EndpointChange.KEEP and self.vapid_key is None and not self.profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """`device` becomes a tombstone, which remembers the SNS endpoint of `keeps` until that is deleted at AWS."""

    device: Device
    reason: str
    keeps: Device | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationPlan:
    """What the service writes. `changes` and `notes_last_seen` are of a row that stays.

    `moved`: the columns that come with the token from the device that held it.
    """

    row: RowChange
    retirements: Sequence[Retirement]
    moved: Mapping[str, Any] = field(repr=False)
    creates_secret: bool
    changes_user: bool
    changes: DeviceChanges = DeviceChanges()
    notes_last_seen: bool = True

    @property
    def writes_nothing(self) -> bool:
        writes = self.changes_user or self.creates_secret or self.notes_last_seen or not self.changes.is_empty
        return self.row is RowChange.UPDATE and not writes


def registering_user_id(caller: Caller, body: DeviceRegistration) -> str | Unset | None:
    """The user that the device gets: a user id; None: no user; UNSET: the user stays.

    A user token registers for its own user, or logs out. Raises ApiError FORBIDDEN.
    """
    if caller.is_server:
        return body.user_id
    if isinstance(body.user_id, Unset):
        return UNSET if caller.user_id is None else caller.user_id
    if body.user_id is not None and body.user_id != caller.user_id:
        raise ApiError(ErrorCode.FORBIDDEN, detail="A user token may only name its own user.", pointer="/user_id")
    return body.user_id


def is_repeat(context: RegistrationContext) -> bool:
    """Whether the caller may change `device`, and the registration changes nothing."""
    device = context.device
    return device is not None and proof_of(context, device) is not None and registration_plan(context).writes_nothing


def registration_plan(context: RegistrationContext) -> RegistrationPlan:
    """Raises ApiError NOT_FOUND: the caller may not change the device, or a secret alone would create one;
    SUBSCRIPTION_INVALID: another device has the token or push URL, and nothing proves that the caller may move it."""
    device = context.device
    row = row_change(context)
    if device is None:
        require_creator(context.caller)
    elif proof_of(context, device) is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such device.")
    require_movable(context)
    plan = RegistrationPlan(
        row=row,
        retirements=retirements(context),
        moved=moved_columns(context),
        creates_secret=device is None or not device.secret_hash,  # an import shows none to the devices it creates
        changes_user=not isinstance(context.user_id, Unset),
    )
    if device is None or row is not RowChange.UPDATE:
        return plan
    return replace(
        plan,
        changes_user=user_changes(context, device),
        changes=device_changes(context, device),
        notes_last_seen=not seen_recently(context, device),
    )


def require_creator(caller: Caller) -> None:
    """A device's secret alone creates no device. Raises ApiError NOT_FOUND."""
    if not caller.is_server and caller.user_id is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such device.")


def require_movable(context: RegistrationContext) -> None:
    """The URL alone is no proof: push services and their logs know it. Raises ApiError SUBSCRIPTION_INVALID."""
    if context.holder is not None and proof_of(context, context.holder) is None:
        detail = "This token or push URL belongs to another device, and its keys differ. Subscribe again for a new one."
        raise ApiError(ErrorCode.SUBSCRIPTION_INVALID, detail=detail)


def proof_of(context: RegistrationContext, device: Device) -> Proof | None:
    """Why the caller may change `device`; None if nothing allows it.

    The current token or subscription is proof only next to a user token. A subscription is compared with its keys, so
    that only the owner, the secret or a server key can replace keys. Raises SealBroken.
    """
    if context.caller.is_server:
        return Proof.SERVER_KEY
    if device.user is not None and device.user.user_id == context.caller.user_id:
        return Proof.OWN_DEVICE
    if secret_matches(device, context.body.device_secret):
        return Proof.DEVICE_SECRET
    if context.caller.user_id is not None and has_same_endpoint(context, device):
        return Proof.CURRENT_TOKEN
    return None


def row_change(context: RegistrationContext) -> RowChange:
    if context.device is None:
        return RowChange.CREATE
    return RowChange.UPDATE if context.device.app_id == context.app.id else RowChange.REPLACE


def retirements(context: RegistrationContext) -> list[Retirement]:
    """The device with the token before and the one with it now swap their SNS endpoints, so that each endpoint stays
    with its token, and with the call to AWS that may be under way for it. The endpoint that is left over is deleted."""
    device, holder = context.device, context.holder
    retired = []
    kept = device if row_change(context) is RowChange.UPDATE else None
    if device is not None and kept is None:
        retired.append(Retirement(device=device, reason="app_changed", keeps=device))
    if holder is not None:
        retired.append(Retirement(device=holder, reason="token_moved", keeps=kept))
    return retired


def moved_columns(context: RegistrationContext) -> dict[str, Any]:
    """A subscription keeps the VAPID key that it was made with, unless the browser names one."""
    holder = context.holder
    if holder is None:
        return {}
    moved = {name: getattr(holder, name) for name in _MOVED_WITH_TOKEN}
    return moved if context.address.names_key else moved | {"vapid_key": holder.vapid_key}


def user_changes(context: RegistrationContext, device: Device) -> bool:
    current = device.user.user_id if device.user else None
    return not isinstance(context.user_id, Unset) and context.user_id != current


def device_changes(context: RegistrationContext, device: Device) -> DeviceChanges:
    """Raises SealBroken."""
    endpoint = endpoint_change(context, device)
    replaced = endpoint in {EndpointChange.REPLACE, EndpointChange.REPLACE_DISABLED}
    return DeviceChanges(
        endpoint=endpoint,
        vapid_key=None if replaced else vapid_key_change(context, device),
        profile={name: value for name, value in context.body.profile.items() if getattr(device, name) != value},
    )


def endpoint_change(context: RegistrationContext, device: Device) -> EndpointChange:
    """AWS recommends to verify and enable the endpoint when an app starts; `verify_after` limits how often."""
    if not has_same_endpoint(context, device):
        return EndpointChange.REPLACE_DISABLED if is_switched_off(device) else EndpointChange.REPLACE
    if not is_provisioned(context.app) or is_switched_off(device) or device.provision_due_at is not None:
        return EndpointChange.KEEP
    if device.endpoint_state in {EndpointState.DISABLED, EndpointState.GONE}:
        return EndpointChange.REENABLE
    if device.verified_at is None or context.now - device.verified_at >= context.verify_after:
        return EndpointChange.VERIFY
    return EndpointChange.KEEP


def vapid_key_change(context: RegistrationContext, device: Device) -> VapidKey | None:
    """The key that the browser names for the same subscription, if the device's row does not name it yet."""
    key = context.address.vapid_key if context.address.names_key else None
    return None if key is None or key.id == device.vapid_key_id else key


def has_same_token(context: RegistrationContext, device: Device) -> bool:
    """The token or push URL, compared by its keyed hash."""
    return bytes(device.endpoint_hash or b"") == context.address.hash


def has_same_endpoint(context: RegistrationContext, device: Device) -> bool:
    """A subscription's keys as well. Raises SealBroken."""
    if not has_same_token(context, device):
        return False
    stored = endpoint_unseal(bytes(device.endpoint_sealed or b""), provider=context.app.provider)
    return stored == dict(context.address.fields)


def is_provisioned(app: App) -> bool:
    """Whether the vendor needs an endpoint before the first push. Other vendors reach the device directly."""
    return provider_get(app.provider).requires_provisioning


def is_switched_off(device: Device) -> bool:
    """An operator's decision outlives new tokens; a vendor's does not."""
    return device.endpoint_state == EndpointState.DISABLED and device.endpoint_reason == OPERATOR


def seen_recently(context: RegistrationContext, device: Device) -> bool:
    return context.now - device.last_seen_at < LAST_SEEN_INTERVAL
