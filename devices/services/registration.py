"""PUT /v1/devices/{device_id}: whose device it is and how it is reached. `registration_rules` decides, this writes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from devices.addresses import address_read
from devices.device_secret import secret_hash, secret_make
from devices.handover import user_change, user_change_record
from devices.models import OPERATOR, App, Device, EndpointState
from devices.registration_rules import (
    DeviceChanges,
    EndpointChange,
    RegistrationContext,
    RegistrationPlan,
    RowChange,
    is_provisioned,
    is_repeat,
    registering_user_id,
    registration_plan,
)
from devices.sealing import endpoint_seal
from devices.selectors import app_for_platform, device_find
from devices.services.endpoints import device_retire, provision_wake
from devices.sql import device_rows_lock
from devices.types import Address, DeviceRegistered, DeviceRegistration, Unset
from events.services import event_record
from events.types import EventType
from pushhub.kernel.retry_on_conflict import retry_on_conflict
from tenants.callers import Caller
from tenants.models import EndUser, Tenant
from tenants.services import end_user_ensure


def device_register(*, tenant: Tenant, caller: Caller, device_id: UUID, data: DeviceRegistration) -> DeviceRegistered:
    """Make `device_id` reachable at this token or subscription, for this user. Idempotent; a repeat writes nothing.

    Raises ApiError: INVALID, APP_AMBIGUOUS, APP_UNAVAILABLE, SUBSCRIPTION_INVALID, ENDPOINT_REFUSED; FORBIDDEN for a
    user who is not the token's; NOT_FOUND when the device is another user's and no proof is given.
    """
    user_id = registering_user_id(caller, data)
    app = app_for_platform(tenant=tenant, platform=data.platform, name=data.app)
    address = address_read(tenant=tenant, app=app, data=data)
    context = registration_context(caller=caller, body=data, user_id=user_id, app=app, address=address)
    # Most registrations, at every start of a client's app, repeat the one before: no lock, no write.
    device = device_find(tenant=tenant, device_id=device_id)
    if device is not None and is_repeat(replace(context, device=device)):
        return DeviceRegistered(device=device, created=False)
    return retry_on_conflict(lambda: _register(tenant, device_id, context))


def registration_context(
    *,
    caller: Caller,
    body: DeviceRegistration,
    user_id: str | Unset | None,
    app: App,
    address: Address,
    device: Device | None = None,
    holder: Device | None = None,
) -> RegistrationContext:
    """With this host's clock and this installation's settings."""
    return RegistrationContext(
        caller=caller,
        body=body,
        user_id=user_id,
        app=app,
        address=address,
        now=timezone.now(),
        verify_after=timedelta(hours=settings.PUSHHUB_DEVICE_VERIFY_HOURS),
        device=device,
        holder=holder,
    )


def _register(tenant: Tenant, device_id: UUID, given: RegistrationContext) -> DeviceRegistered:
    """One transaction. Locks in the order that all code follows: the user's row, advisory locks, device rows by key."""
    user = end_user_ensure(tenant=tenant, user_id=given.user_id) if isinstance(given.user_id, str) else None
    context = _rows_read(tenant, device_id, given, user)
    plan = registration_plan(context)
    device = context.device
    user = user if plan.changes_user or device is None else device.user
    for retired in plan.retirements:
        device_retire(device=retired.device, reason=retired.reason, keeps=retired.keeps)
    secret = secret_make(tenant) if plan.creates_secret else None
    if device is None or plan.row is not RowChange.UPDATE:
        created = _create(tenant, device_id, context, plan, user, secret)
        return DeviceRegistered(device=created, created=plan.creates_secret, device_secret=secret)
    _update(device, context, plan, user, secret)
    return DeviceRegistered(device=_reload(device), created=False, device_secret=secret)


def _rows_read(
    tenant: Tenant, device_id: UUID, given: RegistrationContext, user: EndUser | None
) -> RegistrationContext:
    ids = device_rows_lock(
        tenant_id=tenant.id,
        app_id=given.app.id,
        device_id=device_id,
        endpoint_hash=given.address.hash,
        user_pk=user.id if user else None,
    )
    rows = list(Device.objects.filter(id__in=ids).select_related("app", "user", "vapid_key")) if ids else []
    return replace(
        given,
        device=next((row for row in rows if row.device_id == device_id), None),
        holder=next((row for row in rows if row.device_id != device_id), None),
    )


def _create(
    tenant: Tenant,
    device_id: UUID,
    context: RegistrationContext,
    plan: RegistrationPlan,
    user: EndUser | None,
    secret: str | None,
) -> Device:
    """`secret`: None for a device that has one already, on the row that this one replaces."""
    known = context.device.secret_hash if context.device else b""
    device = Device(
        tenant=tenant,
        device_id=device_id,
        app=context.app,
        user=user,
        secret_hash=secret_hash(secret) if secret else bytes(known),
        platform=context.body.platform,
        **context.body.profile,
        **_endpoint_columns(context, plan.moved),
    )
    device.save(force_insert=True)
    event_record(
        tenant=tenant,
        type=EventType.DEVICE_REGISTERED,
        subject=str(device_id),
        data={
            "user_id": user.user_id if user else None,
            "platform": context.body.platform,
            "app": context.app.name,
        },
    )
    if device.provision_due_at:
        provision_wake()
    return device


def _update(
    device: Device, context: RegistrationContext, plan: RegistrationPlan, user: EndUser | None, secret: str | None
) -> None:
    if plan.writes_nothing:
        return
    mapping = user_change(device, user) if plan.changes_user else {}
    columns = change_columns(context, plan.changes, plan.moved) | mapping
    if secret:
        columns["secret_hash"] = secret_hash(secret)
    if columns:
        columns["updated_at"] = Now()
    Device.objects.filter(id=device.id).update(**columns, last_seen_at=Now())
    if mapping:
        user_change_record(device, user)
    if columns.get("provision_due_at"):
        provision_wake()


def change_columns(
    context: RegistrationContext, changes: DeviceChanges, moved: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The columns of a row that stays; its user's are not among them."""
    columns = dict(changes.profile)
    if changes.vapid_key:
        columns["vapid_key"] = changes.vapid_key
    match changes.endpoint:
        case EndpointChange.REPLACE:
            columns |= _replaced_endpoint_columns(context, moved or {})
        case EndpointChange.REPLACE_DISABLED:
            off = {"endpoint_state": EndpointState.DISABLED, "endpoint_reason": OPERATOR, "provision_due_at": None}
            columns |= _replaced_endpoint_columns(context, moved or {}) | off
        case EndpointChange.REENABLE:
            columns |= endpoint_start_columns(context.app) | {"endpoint_changed_at": Now()}
        case EndpointChange.VERIFY:
            columns["provision_due_at"] = Now()
    return columns


def endpoint_start_columns(app: App) -> dict[str, Any]:
    if is_provisioned(app):
        return {"endpoint_state": EndpointState.PENDING, "endpoint_reason": "", "provision_due_at": Now()}
    return {"endpoint_state": EndpointState.ACTIVE, "endpoint_reason": ""}


def _endpoint_columns(context: RegistrationContext, moved: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "endpoint_sealed": endpoint_seal(context.address.fields, provider=context.app.provider),
        "endpoint_hash": context.address.hash,
        "push_origin": context.address.push_origin,
        "vapid_key": context.address.vapid_key,
        **endpoint_start_columns(context.app),
        **moved,
    }


def _replaced_endpoint_columns(context: RegistrationContext, moved: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_endpoint_columns(context, moved),
        "token_version": F("token_version") + 1,
        "provision_attempts": 0,
        "endpoint_changed_at": Now(),
    }


def _reload(device: Device) -> Device:
    return Device.objects.select_related("app", "user", "vapid_key", "tenant").get(id=device.id)
