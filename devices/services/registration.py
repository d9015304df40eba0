"""PUT /v1/devices/{device_id}: whose device it is and how it is reached. One truth per device and per token."""

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from devices.addresses import address_read
from devices.device_secret import secret_hash, secret_make, secret_matches
from devices.handover import handover_finish
from devices.models import App, Device, EndpointState
from devices.sealing import endpoint_seal, endpoint_unseal
from devices.selectors import app_for_platform, device_find
from devices.services.endpoints import OPERATOR, device_retire, provision_wake
from devices.sql import device_rows_lock
from devices.types import UNSET, Address, DeviceRegistered, DeviceRegistration, Unset
from events.services import event_record
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.retry_on_conflict import retry_on_conflict
from tenants.callers import Caller
from tenants.models import EndUser, Tenant
from tenants.services import end_user_ensure

LAST_SEEN_SECONDS = 3600

_ENDPOINT_COLUMNS = ("endpoint_arn", "provision_lease", "provision_lease_expires_at")


def device_register(*, tenant: Tenant, caller: Caller, device_id: UUID, data: DeviceRegistration) -> DeviceRegistered:
    """Make `device_id` be reached at this token or subscription, for this user. Idempotent; a repeat writes nothing.

    Raises ApiError: INVALID, APP_AMBIGUOUS, APP_UNAVAILABLE, SUBSCRIPTION_INVALID, ENDPOINT_REFUSED; FORBIDDEN for
    another user than the token's; NOT_FOUND when the device is another user's and no proof is given.
    """
    user_id = _user_id(caller, data)
    app = app_for_platform(tenant=tenant, platform=data.platform, name=data.app)
    address = address_read(tenant=tenant, app=app, data=data)
    if known := _unchanged(tenant, caller, device_id, data, app, address, user_id):
        return DeviceRegistered(device=known, created=False)
    return retry_on_conflict(
        lambda: _register(tenant, caller, device_id, data, app=app, address=address, user_id=user_id)
    )


def _unchanged(
    tenant: Tenant,
    caller: Caller,
    device_id: UUID,
    data: DeviceRegistration,
    app: App,
    address: Address,
    user_id: str | Unset | None,
) -> Device | None:
    """The device, if this registration says nothing new of it: most do, at every start of an app. No lock, no write."""
    device = device_find(tenant=tenant, device_id=device_id)
    if device is None or device.app_id != app.id or not _may_change(caller, device, data, address):
        return None
    same_user = isinstance(user_id, Unset) or user_id == (device.user.user_id if device.user else None)
    if not (same_user and device.secret_hash and seen_recently(device)):
        return None
    if registration_changes(device, data, address, inherited={}):
        return None
    return device


def user_change(device: Device, user: EndUser | None) -> dict[str, Any]:
    """The columns that end the old mapping: a delivery of an earlier generation is never sent. In a transaction."""
    if device.user_id == (user.id if user else None):
        return {}
    if device.user_id is not None:
        handover_finish()
    return {"user": user, "generation": F("generation") + 1, "mapping_id": uuid4()}


def _user_id(caller: Caller, data: DeviceRegistration) -> str | Unset | None:
    if caller.is_server:
        return data.user_id
    if isinstance(data.user_id, Unset):
        return UNSET if caller.user_id is None else caller.user_id
    if data.user_id != caller.user_id and data.user_id is not None:
        raise ApiError(ErrorCode.FORBIDDEN, detail="A user token registers its own user's devices.", pointer="/user_id")
    return data.user_id


def _register(
    tenant: Tenant,
    caller: Caller,
    device_id: UUID,
    data: DeviceRegistration,
    *,
    app: App,
    address: Address,
    user_id: str | Unset | None,
) -> DeviceRegistered:
    """One transaction. The user's row first, then the advisory locks, then the rows in key order: everybody's order."""
    user = end_user_ensure(tenant=tenant, user_id=user_id) if isinstance(user_id, str) else None
    ids = device_rows_lock(
        tenant_id=tenant.id,
        app_id=app.id,
        device_id=device_id,
        endpoint_hash=address.hash,
        user_pk=user.id if user else None,
    )
    rows = list(Device.objects.filter(id__in=ids).select_related("app", "user", "vapid_key")) if ids else []
    current = next((row for row in rows if row.device_id == device_id), None)
    holder = next((row for row in rows if row.device_id != device_id), None)
    if current is None and caller.user_id is None and not caller.is_server:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such device.")
    if current is not None and not _may_change(caller, current, data, address):
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such device.")
    known_secret = (bytes(current.secret_hash) or None) if current else None
    if current is not None and current.app_id != app.id:
        user = current.user if isinstance(user_id, Unset) else user
        device_retire(device=current, reason="app_changed", keeps=current)
        current = None
    inherited = _take_over(holder, current, data) if holder else {}
    if current is None:
        return _create(tenant, device_id, data, app, address, user, inherited, known_secret)
    mapping = {} if isinstance(user_id, Unset) else user_change(current, user)
    secret = None if known_secret else secret_make(tenant)  # a device that came in bulk was shown none
    _update(current, data, address, mapping, inherited, secret)
    return DeviceRegistered(device=_reload(current), created=False, device_secret=secret)


def _may_change(caller: Caller, device: Device, data: DeviceRegistration, address: Address) -> bool:
    """A server key, the user it belongs to, or proof: the device's secret, or its current token, itself a secret."""
    own = device.user is not None and device.user.user_id == caller.user_id
    same_address = device.endpoint_hash is not None and bytes(device.endpoint_hash) == address.hash
    return caller.is_server or own or secret_matches(device, data.device_secret) or same_address


def _take_over(holder: Device, current: Device | None, data: DeviceRegistration) -> dict[str, Any]:
    """Another device holds this token: whoever brings it last holds it. The two swap their SNS endpoints, so that each
    stays with its token, and with the call that may be under way for it: the one left over is deleted. A subscription
    keeps the VAPID key it was made with."""
    device_retire(device=holder, reason="token_moved", keeps=current)
    inherited = {name: getattr(holder, name) for name in _ENDPOINT_COLUMNS}
    return inherited if data.application_server_key else inherited | {"vapid_key": holder.vapid_key}


def _create(
    tenant: Tenant,
    device_id: UUID,
    data: DeviceRegistration,
    app: App,
    address: Address,
    user: EndUser | None,
    inherited: dict[str, Any],
    known_secret: bytes | None,
) -> DeviceRegistered:
    secret = None if known_secret else secret_make(tenant)
    device = Device(
        tenant=tenant,
        device_id=device_id,
        app=app,
        user=user,
        secret_hash=known_secret or secret_hash(secret or ""),
        platform=data.platform,
        **data.profile,
        **_endpoint_columns(app, address, inherited),
    )
    device.save(force_insert=True)
    event_record(
        tenant=tenant,
        type="device.registered",
        subject=str(device_id),
        data={"user_id": user.user_id if user else None, "platform": data.platform, "app": app.name},
    )
    if device.provision_due_at:
        provision_wake()
    return DeviceRegistered(device=device, created=known_secret is None, device_secret=secret)


def endpoint_fresh(app: App) -> dict[str, Any]:
    """SNS needs an endpoint made first; the others are reached directly."""
    if app.provider == App.Provider.SNS:
        return {"endpoint_state": EndpointState.PENDING, "endpoint_reason": "", "provision_due_at": Now()}
    return {"endpoint_state": EndpointState.ACTIVE, "endpoint_reason": ""}


def _update(
    device: Device,
    data: DeviceRegistration,
    address: Address,
    mapping: dict[str, Any],
    inherited: dict[str, Any],
    secret: str | None,
) -> None:
    changes = registration_changes(device, data, address, inherited) | mapping
    if secret:
        changes["secret_hash"] = secret_hash(secret)
    if not changes and seen_recently(device):
        return
    if changes:
        changes["updated_at"] = Now()
    Device.objects.filter(id=device.id).update(**changes, last_seen_at=Now())
    if mapping:
        user_change_record(device, mapping["user"])
    if changes.get("provision_due_at"):
        provision_wake()


def user_change_record(device: Device, user: EndUser | None) -> None:
    event_record(
        tenant=device.tenant,
        type="device.user_changed",
        subject=str(device.device_id),
        data={"from": device.user.user_id if device.user else None, "to": user.user_id if user else None},
    )


def seen_recently(device: Device) -> bool:
    return (timezone.now() - device.last_seen_at).total_seconds() < LAST_SEEN_SECONDS


def registration_changes(
    device: Device, data: DeviceRegistration, address: Address, inherited: dict[str, Any]
) -> dict[str, Any]:
    """The columns a repeated registration changes; none of its user."""
    profile = {name: value for name, value in data.profile.items() if getattr(device, name) != value}
    same_address = bytes(device.endpoint_hash or b"") == address.hash
    if not same_address or endpoint_unseal(bytes(device.endpoint_sealed or b"")) != dict(address.fields):
        return profile | _new_endpoint_changes(device, address, inherited)
    if data.application_server_key and address.vapid_key and device.vapid_key_id != address.vapid_key.id:
        profile["vapid_key"] = address.vapid_key
    return profile | _same_endpoint_changes(device)


def _endpoint_columns(app: App, address: Address, inherited: dict[str, Any]) -> dict[str, Any]:
    return {
        "endpoint_sealed": endpoint_seal(address.fields),
        "endpoint_hash": address.hash,
        "push_origin": address.push_origin,
        "vapid_key": address.vapid_key,
        **endpoint_fresh(app),
        **inherited,
    }


def _new_endpoint_changes(device: Device, address: Address, inherited: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {
        **_endpoint_columns(device.app, address, inherited),
        "token_version": F("token_version") + 1,
        "provision_attempts": 0,
        "endpoint_changed_at": Now(),
    }
    if switched_off(device):
        changes |= {"endpoint_state": EndpointState.DISABLED, "endpoint_reason": OPERATOR, "provision_due_at": None}
    return changes


def _same_endpoint_changes(device: Device) -> dict[str, Any]:
    """The same token again. AWS prescribes to look, and to enable what is disabled; not on every start of the app."""
    if device.app.provider != App.Provider.SNS or switched_off(device) or device.provision_due_at is not None:
        return {}
    if device.endpoint_state in {EndpointState.DISABLED, EndpointState.GONE}:
        return {**endpoint_fresh(device.app), "endpoint_changed_at": Now()}
    age = (timezone.now() - device.verified_at).total_seconds() if device.verified_at else None
    if age is None or age >= settings.PUSHHUB_DEVICE_VERIFY_HOURS * 3600:
        return {"provision_due_at": Now()}
    return {}


def switched_off(device: Device) -> bool:
    """An operator's decision outlives new tokens; a vendor's does not."""
    return device.endpoint_state == EndpointState.DISABLED and device.endpoint_reason == OPERATOR


def _reload(device: Device) -> Device:
    return Device.objects.select_related("app", "user", "vapid_key", "tenant").get(id=device.id)
