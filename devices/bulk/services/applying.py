"""Apply an import's lines in sets, by the rules of registrations.

Most lines are new devices or new values of known ones: a set of them takes a few statements. A line that moves a token
from one device to another, or a device to another app, is applied alone by `device_register`. Sets take no advisory
locks: the unique indexes detect a concurrent registration of one of the devices, and the set is applied again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from devices.bulk import sql
from devices.bulk.lines import Line
from devices.handover import user_change
from devices.models import Device, EndpointState
from devices.registration_rules import RegistrationContext, RowChange, device_changes, row_change, seen_recently
from devices.sealing import endpoints_seal
from devices.services.endpoints import provision_wake
from devices.services.registration import (
    change_columns,
    device_register,
    endpoint_start_columns,
    registration_context,
)
from devices.types import UNSET
from events.services import events_record
from events.types import EventType
from tenants.callers import Caller
from tenants.models import EndUser, Tenant
from tenants.services import end_users_ensure


class SetConflict(Exception):
    """Another registration took one of the devices or tokens, or a user was erased, since the rows were read."""


class SingleLineRequired(Exception):
    """The line after the first `count` moves a token or a device: it must be applied alone."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


@dataclass(frozen=True, slots=True)
class Counts:
    created: int = 0
    updated: int = 0
    unchanged: int = 0


def lines_apply(*, tenant: Tenant, caller: Caller, lines: Sequence[Line]) -> Counts:
    """Apply lines of which no two have the same device or token, in the caller's transaction.

    Raises SetConflict, SingleLineRequired, SealBroken.
    """
    users = end_users_ensure(
        tenant=tenant, user_ids=[line.data.user_id for line in lines if isinstance(line.data.user_id, str)]
    )
    contexts = _contexts_read(tenant, caller, lines)
    for count, context in enumerate(contexts):
        if context.holder is not None or row_change(context) is RowChange.REPLACE:
            raise SingleLineRequired(count)
    pairs = list(zip(lines, contexts, strict=True))
    new = [line for line, context in pairs if context.device is None]
    _create(tenant, new, users)
    updated = _update(tenant, [pair for pair in pairs if pair[1].device is not None], users)
    return Counts(created=len(new), updated=updated, unchanged=len(lines) - len(new) - updated)


def _contexts_read(tenant: Tenant, caller: Caller, lines: Sequence[Line]) -> list[RegistrationContext]:
    """The context of each line, with its rows locked. The rows' users are not loaded."""
    locked = sql.devices_lock(
        tenant_id=tenant.id,
        devices=(str(line.device_id) for line in lines),
        apps={line.app.id for line in lines},
        hashes=(_bytes(line.address.hash) for line in lines),
    )
    devices = {device.device_id: device for device in locked}
    holders = {(device.app_id, bytes(device.endpoint_hash or b"")): device for device in locked}
    contexts = []
    for line in lines:
        holder = holders.get((line.app.id, line.address.hash))
        contexts.append(
            registration_context(
                caller=caller,
                body=line.data,
                user_id=line.data.user_id,
                app=line.app,
                address=line.address,
                device=devices.get(line.device_id),
                holder=holder if holder is not None and holder.device_id != line.device_id else None,
            )
        )
    return contexts


def line_register(*, tenant: Tenant, caller: Caller, line: Line) -> Counts:
    """Apply one line like a PUT. Raises ApiError."""
    data = replace(line.data, app=str(line.app.id))  # the line itself may not name it
    registered = device_register(tenant=tenant, caller=caller, device_id=line.device_id, data=data)
    if registered.device_secret is not None:  # not shown to the importer: the device's own first PUT answers another
        Device.objects.filter(tenant=tenant, id=registered.device.id).update(secret_hash=b"")
    return Counts(created=1) if registered.created else Counts(updated=1)


def _user_pk(line: Line, users: Mapping[str, int]) -> int | None:
    if not isinstance(line.data.user_id, str):
        return None
    if line.data.user_id not in users:
        raise SetConflict  # the user was erased since
    return users[line.data.user_id]


def _mapping(tenant: Tenant, line: Line, device: Device, users: Mapping[str, int]) -> dict[str, Any]:
    pk = _user_pk(line, users)
    if line.data.user_id is UNSET:
        return {}
    return user_change(device, EndUser(id=pk, tenant=tenant, user_id=str(line.data.user_id)) if pk else None)


def _create(tenant: Tenant, lines: Sequence[Line], users: Mapping[str, int]) -> None:
    if not lines:
        return
    sealed = endpoints_seal((line.app.provider, line.address.fields) for line in lines)
    rows = [_row(line, endpoint, _user_pk(line, users)) for line, endpoint in zip(lines, sealed, strict=True)]
    if sql.devices_insert(tenant_id=tenant.id, rows=rows) < len(rows):
        raise SetConflict
    events_record(
        tenant=tenant,
        type=EventType.DEVICE_REGISTERED,
        happened=(
            (
                str(line.device_id),
                {
                    "user_id": line.data.user_id if isinstance(line.data.user_id, str) else None,
                    "platform": line.data.platform,
                    "app": line.app.name,
                },
            )
            for line in lines
        ),
    )
    if any(row["endpoint_state"] == EndpointState.PENDING for row in rows):
        provision_wake()


_NO_PROFILE: dict[str, Any] = {
    "locale": "",
    "timezone": "",
    "app_version": "",
    "os_version": "",
    "attributes": {},
    "tags": [],
}


def _row(line: Line, sealed: bytes, user_pk: int | None) -> dict[str, Any]:
    address = line.address
    return {
        "device_id": str(line.device_id),
        "app_id": str(line.app.id),
        "user_id": user_pk,
        "platform": line.data.platform,
        "endpoint_sealed": _bytes(sealed),
        "endpoint_hash": _bytes(address.hash),
        "endpoint_state": endpoint_start_columns(line.app)["endpoint_state"],
        "push_origin": address.push_origin,
        "vapid_key_id": str(address.vapid_key.id) if address.vapid_key else None,
        **_NO_PROFILE,
        **line.data.profile,
    }


def _update(tenant: Tenant, pairs: Sequence[tuple[Line, RegistrationContext]], users: Mapping[str, int]) -> int:
    """How many were changed."""
    if not pairs:
        return 0
    now = sql.database_time()
    changed: list[Device] = []
    seen: list[int] = []
    moved: list[tuple[Device, int | None, EndUser | None]] = []
    for line, context in pairs:
        device = context.device
        assert device is not None
        before = device.user_id
        mapping = _mapping(tenant, line, device, users)
        columns = change_columns(context, device_changes(context, device)) | mapping
        if columns:
            _assign(device, columns, now)
            changed.append(device)
        elif not seen_recently(context, device):
            seen.append(device.id)
        if mapping:
            moved.append((device, before, mapping["user"]))
    _write(changed, seen)
    _users_changed_record(tenant, moved)
    return len(changed)


def _assign(device: Device, changes: Mapping[str, Any], now: datetime) -> None:
    """The row is locked, so the values of the expressions can be computed here."""
    counters = {"token_version", "generation"}
    for name, value in changes.items():
        if isinstance(value, Now):
            value = now
        elif name in counters:
            value = getattr(device, name) + 1
        assert not isinstance(value, F)
        setattr(device, name, value)


_UPDATED = (
    "id", "user_id", "generation", "mapping_id", "endpoint_sealed", "endpoint_hash", "endpoint_state",
    "endpoint_reason", "endpoint_changed_at", "push_origin", "vapid_key_id", "token_version", "provision_due_at",
    "provision_attempts", "locale", "timezone", "app_version", "os_version", "attributes", "tags",
)  # fmt: skip


def _write(changed: Sequence[Device], seen: Sequence[int]) -> None:
    if changed:
        sql.devices_update(rows=[{name: _json(getattr(device, name)) for name in _UPDATED} for device in changed])
    if seen:
        sql.devices_seen(ids=seen)
    if any(device.provision_due_at for device in changed):
        provision_wake()


def _users_changed_record(tenant: Tenant, moved: Sequence[tuple[Device, int | None, EndUser | None]]) -> None:
    if not moved:
        return
    before = {pk for _, pk, _ in moved if pk is not None}
    names = dict(EndUser.objects.filter(tenant=tenant, id__in=before).values_list("id", "user_id"))
    events_record(
        tenant=tenant,
        type=EventType.DEVICE_USER_CHANGED,
        happened=(
            (str(device.device_id), {"from": names.get(pk) if pk else None, "to": user.user_id if user else None})
            for device, pk, user in moved
        ),
    )


def _json(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return _bytes(bytes(value))
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _bytes(value: bytes) -> str:
    """PostgreSQL's text form of bytea."""
    return "\\x" + value.hex()
