"""PATCH /v1/devices/{device_id}: a device's profile and its user."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from devices.device_secret import secret_matches
from devices.handover import user_change, user_change_record
from devices.models import Device
from devices.selectors import device_get_for_tenant
from devices.services.endpoints import device_lock
from devices.sql import user_row_lock
from devices.types import UNSET, Unset
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.retry_on_conflict import retry_on_conflict
from tenants.callers import Caller
from tenants.models import Tenant
from tenants.services import end_user_ensure


def device_update(
    *,
    tenant: Tenant,
    caller: Caller,
    device_id: UUID,
    user_id: str | Unset | None = UNSET,
    profile: Mapping[str, Any],
    device_secret: str = "",
) -> Device:
    """Fields that are not given stay. `user_id` null logs out; only that is possible with the device's secret alone.

    Raises ApiError NOT_FOUND when the device is another user's and no proof is given; FORBIDDEN for another user's id.
    """
    if not caller.is_server and isinstance(user_id, str) and user_id != caller.user_id:
        raise ApiError(ErrorCode.FORBIDDEN, detail="A user token may only name its own user.", pointer="/user_id")
    retry_on_conflict(lambda: _update(tenant, caller, device_id, user_id, profile, device_secret))
    return device_get_for_tenant(tenant=tenant, device_id=device_id)


def _update(
    tenant: Tenant,
    caller: Caller,
    device_id: UUID,
    user_id: str | Unset | None,
    profile: Mapping[str, Any],
    device_secret: str,
) -> None:
    user = end_user_ensure(tenant=tenant, user_id=user_id) if isinstance(user_id, str) else None
    user_row_lock(user.id if user else None)
    device = device_lock(tenant=tenant, device_id=device_id)
    own = device.user is not None and device.user.user_id == caller.user_id
    if not (caller.is_server or own or secret_matches(device, device_secret)):
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such device.")
    if not (caller.is_server or caller.user_id is not None or (user_id is None and not profile)):
        raise ApiError(ErrorCode.FORBIDDEN, detail="The device's secret alone can only log out: `user_id` null.")
    mapping = {} if isinstance(user_id, Unset) else user_change(device, user)
    changes = mapping | {name: value for name, value in profile.items() if getattr(device, name) != value}
    if changes:
        Device.objects.filter(id=device.id).update(**changes, updated_at=Now())
    if mapping:
        user_change_record(device, user)
