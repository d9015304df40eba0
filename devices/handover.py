"""How a device changes hands without a gap: no worker sends after the answer because of a mapping that it read before.

A worker that sends reads the mapping and trusts it for BELIEVED_SECONDS, counted from before the read; the mapping of a
message that is not submitted by then is read again. A request that changes a mapping answers only when that time has
passed since its commit. So when the answer leaves, no payload for the previous user is encrypted or submitted any more.
"""

from typing import Any, Final
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import F

from devices.models import Device
from events.services import event_record
from events.types import EventType
from pushhub.http.response_delay import respond_after
from tenants.models import EndUser

BELIEVED_SECONDS: Final = 0.1  # a loaded machine needs most of it; only a change of user waits for it


def user_change(device: Device, user: EndUser | None) -> dict[str, Any]:
    """The columns that end the old mapping: a delivery of an earlier generation is never sent. In a transaction."""
    if device.user_id == (user.id if user else None):
        return {}
    if device.user_id is not None:
        handover_finish()
    return {"user": user, "generation": F("generation") + 1, "mapping_id": uuid4()}


def user_change_record(device: Device, user: EndUser | None) -> None:
    event_record(
        tenant=device.tenant,
        type=EventType.DEVICE_USER_CHANGED,
        subject=str(device.device_id),
        data={"from": device.user.user_id if device.user else None, "to": user.user_id if user else None},
    )


def handover_finish() -> None:
    """Once the transaction that changes a mapping has committed, wait for BELIEVED_SECONDS; once for a transaction,
    however many devices change hands in it."""
    if all(hook[1] is not _wait for hook in connection.run_on_commit):
        transaction.on_commit(_wait)


def _wait() -> None:
    respond_after(BELIEVED_SECONDS)
