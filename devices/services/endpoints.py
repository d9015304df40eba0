"""Delete devices, change the state of their endpoints, and let operators disable them."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from devices.handover import handover_finish
from devices.models import OPERATOR, Device, EndpointState
from devices.sql import endpoints_change
from events.models import Event
from events.services import event_record, events_append
from events.types import EventType
from providers.registry import provider_get
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.metrics import Metric, count
from pushhub.workers.wake import wake
from tenants.models import EndUser, Tenant

PROVISION_TASK = "devices.tasks.provision_run"
QUEUE = "registry"


def provision_wake() -> None:
    """Wake the workers that provision endpoints, once the transaction has committed."""
    transaction.on_commit(partial(wake, PROVISION_TASK, QUEUE), robust=True)


def device_delete(*, tenant: Tenant, device_id: UUID, owner: str | None = None) -> None:
    """Delete the device, and its SNS endpoint afterwards. With `owner`, only that user's device. Raises ApiError
    NOT_FOUND."""
    with transaction.atomic():
        device = device_lock(tenant=tenant, device_id=device_id, owner=owner)
        device_retire(device=device, reason="deleted", keeps=device)


def device_lock(*, tenant: Tenant, device_id: UUID, owner: str | None = None) -> Device:
    """The live device, locked until the transaction ends. Raises ApiError NOT_FOUND."""
    device = (
        Device.objects.select_for_update(of=("self",), no_key=True)
        .filter(tenant=tenant, device_id=device_id, deleted_at=None)
        .select_related("app", "user", "vapid_key", "tenant")
        .first()
    )
    if device is None or (owner is not None and (device.user is None or device.user.user_id != owner)):
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such device.")
    return device


def device_retire(*, device: Device, reason: str, keeps: Device | None) -> None:
    """Make the locked device a tombstone: without a user, an address and personal data. It stays for the deliveries
    that name it, and until the SNS endpoint of `keeps` (its own, another device's; None: none) is deleted at AWS."""
    columns = _tombstone_endpoint_columns(keeps)
    if device.user_id is not None:
        handover_finish()
    Device.objects.filter(id=device.id).update(**_tombstone_columns(), **columns, endpoint_reason=reason)
    event_record(
        tenant=device.tenant,
        type=EventType.DEVICE_REMOVED,
        subject=str(device.device_id),
        data={"reason": reason},
    )
    if columns["provision_due_at"]:
        provision_wake()


def _tombstone_endpoint_columns(keeps: Device | None) -> dict[str, Any]:
    """What a tombstone needs to delete an SNS endpoint. A call that was started may have created an endpoint whose ARN
    was lost: then only the token leads to it."""
    arn = keeps.endpoint_arn if keeps else ""
    called = keeps is not None and (keeps.provision_lease is not None or keeps.provision_attempts > 0)
    if keeps is None or not (arn or called):
        nothing = (
            "endpoint_sealed",
            "endpoint_hash",
            "provision_lease",
            "provision_lease_expires_at",
            "provision_due_at",
        )
        return {"endpoint_arn": "", **dict.fromkeys(nothing)}
    return {
        "endpoint_arn": arn,
        "endpoint_sealed": None if arn else keeps.endpoint_sealed,
        "endpoint_hash": keeps.endpoint_hash,
        "provision_lease": keeps.provision_lease,
        "provision_lease_expires_at": keeps.provision_lease_expires_at,
        "provision_due_at": Now(),
    }


def _tombstone_columns() -> dict[str, Any]:
    return {
        "deleted_at": Now(),
        "updated_at": Now(),
        "endpoint_changed_at": Now(),
        "endpoint_state": EndpointState.NONE,
        "user": None,
        "generation": F("generation") + 1,
        "mapping_id": uuid4(),
        "token_version": F("token_version") + 1,
        "push_origin": "",
        "vapid_key": None,
        "provision_attempts": 0,
        "locale": "",
        "timezone": "",
        "app_version": "",
        "os_version": "",
        "attributes": {},
        "tags": [],
    }


def devices_erase(user: EndUser) -> None:
    """A step of an erasure. Devices with an endpoint at a vendor become tombstones, the others are deleted."""
    devices = list(
        Device.objects.select_for_update(of=("self",), no_key=True)
        .filter(tenant=user.tenant, user=user)
        .select_related("app", "user", "tenant")
        .order_by("id")
    )
    for device in devices:
        device_retire(device=device, reason="erased", keeps=device)
    Device.objects.filter(id__in=[device.id for device in devices], provision_due_at=None).delete()


def endpoints_mark_gone(*, rows: Sequence[tuple[int, int]], reason: str) -> int:
    """The vendor reports these endpoints as gone. `rows`: (device pk, token version); a device with a newer token stays
    as it is. How many changed."""
    return _endpoints_change(rows=rows, state=EndpointState.GONE, reason=reason)


def endpoints_disable(*, rows: Sequence[tuple[int, int]], reason: str) -> int:
    """The vendor has disabled these endpoints. Arguments and result as `endpoints_mark_gone`."""
    return _endpoints_change(rows=rows, state=EndpointState.DISABLED, reason=reason)


def endpoints_suspect(*, rows: Sequence[tuple[int, int]], reason: str) -> int:
    """The vendor reported too many endpoints as gone at once: restore these until an operator has decided."""
    return _endpoints_change(rows=rows, state=EndpointState.SUSPECT, reason=reason, before=(EndpointState.GONE,))


def endpoints_trust(*, rows: Sequence[tuple[int, int]]) -> int:
    """An operator decides: the suspect ones among these are active."""
    return _endpoints_change(rows=rows, state=EndpointState.ACTIVE, reason="", before=(EndpointState.SUSPECT,))


def endpoints_disappear(*, rows: Sequence[tuple[int, int]], reason: str) -> int:
    """An operator decides: the suspect ones among these are gone."""
    return _endpoints_change(rows=rows, state=EndpointState.GONE, reason=reason, before=(EndpointState.SUSPECT,))


def _endpoints_change(
    *,
    rows: Sequence[tuple[int, int]],
    state: EndpointState,
    reason: str,
    before: Sequence[EndpointState] = (EndpointState.PENDING, EndpointState.ACTIVE, EndpointState.SUSPECT),
) -> int:
    with transaction.atomic():
        with connection.cursor() as cursor:
            changed = endpoints_change(cursor, rows=rows, before=before, state=state, reason=reason[:200])
        type = EventType(f"device.{state}")
        events_append(
            events=(
                Event(tenant_id=tenant_id, type=type, subject=str(device_id), data={"reason": reason[:200]})
                for _, tenant_id, device_id in changed
            )
        )
    count(Metric.ENDPOINTS_CHANGED, len(changed), outcome=state)
    return len(changed)


def device_disable(*, tenant: Tenant, device_id: UUID) -> None:
    """By an operator: nothing is sent to the device, also after a new token, until `device_enable`."""
    _switch(tenant, device_id, {"endpoint_state": EndpointState.DISABLED, "endpoint_reason": OPERATOR})


def device_enable(*, tenant: Tenant, device_id: UUID) -> None:
    """By an operator: pushes are sent again, after an SNS endpoint is verified and enabled."""
    with transaction.atomic():
        device = device_lock(tenant=tenant, device_id=device_id)
        provisioned = provider_get(device.app.provider).requires_provisioning
        _switch(
            tenant,
            device_id,
            {
                "endpoint_state": EndpointState.PENDING if provisioned else EndpointState.ACTIVE,
                "endpoint_reason": "",
                "provision_due_at": Now() if provisioned else None,
            },
        )
        provision_wake()


def _switch(tenant: Tenant, device_id: UUID, columns: dict[str, Any]) -> None:
    with transaction.atomic():
        device = device_lock(tenant=tenant, device_id=device_id)
        Device.objects.filter(id=device.id).update(**columns, endpoint_changed_at=Now(), updated_at=Now())
        state = columns["endpoint_state"]
        type = EventType(f"device.{state}")
        event_record(tenant=tenant, type=type, subject=str(device_id), data={"reason": OPERATOR})
