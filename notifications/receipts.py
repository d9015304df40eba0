"""Updates after acceptance: receipts of clients, and later reports of vendors. Updates arrive in any order, twice, or
before the worker has settled the delivery.

Only `TRANSITIONS` decides whether an update is applied, in the UPDATE itself. So every order leads to the same state.
An update does not change the lease: a settle under way still finds its row, and adds what only the settle knows.
"""

import base64
import binascii
import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from devices.models import App
from notifications.counts import CountDeltas
from notifications.models import Delivery, ParkedReceipt
from notifications.states import TRANSITIONS, DeliveryState
from pushhub.kernel.backoff import Backoff
from pushhub.kernel.crypto import keyed_hash
from pushhub.kernel.metrics import Metric, count
from pushhub.kernel.purposes import Purpose
from tenants.models import Tenant

MAC_BYTES = 16
PARK_ATTEMPTS = 9  # the last attempt is 85 minutes after the callback
PARK_BACKOFF = Backoff(base=10.0, cap=3600.0)

# Rows are locked in the order of their ids, so that two batches never deadlock. `origins` are the states that the
# update may replace. Do not add a range of ids to the condition: until the rows of a new broadcast are analysed, the
# planner takes the range for small and scans all of it.
APPLY = """
WITH updates AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(reasons)s::text[], %(origins)s::text[])
        AS updates (id, state, reason, origins)
), before AS MATERIALIZED (
    SELECT delivery.id, delivery.state FROM notifications_delivery delivery JOIN updates ON updates.id = delivery.id
    ORDER BY delivery.id FOR UPDATE OF delivery
)
UPDATE notifications_delivery delivery
SET state = updates.state, reason = updates.reason
FROM updates JOIN before ON before.id = updates.id
WHERE delivery.id = updates.id AND before.state = ANY (string_to_array(updates.origins, ' '))
RETURNING delivery.notification_id, before.state, delivery.state
"""


@dataclass(frozen=True, slots=True)
class DeliveryUpdate:
    """The new state of one delivery, as the client or the vendor reported it. `reason` may be empty."""

    delivery_id: UUID
    state: DeliveryState
    reason: str = ""


def receipt_token(delivery_id: UUID) -> str:
    """Lets only the receiver of the payload report what became of it: base64url of id ‖ MAC, 43 characters."""
    return base64.urlsafe_b64encode(delivery_id.bytes + _mac(delivery_id)).rstrip(b"=").decode()


def receipt_token_read(token: str) -> UUID | None:
    """The delivery that a token names; None if pushhub did not make the token."""
    try:
        raw = base64.b64decode(token + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 16 + MAC_BYTES:
        return None
    delivery_id = UUID(bytes=raw[:16])
    return delivery_id if hmac.compare_digest(raw[16:], _mac(delivery_id)) else None


def _mac(delivery_id: UUID) -> bytes:
    return keyed_hash(delivery_id.bytes, purpose=Purpose.RECEIPT)[:MAC_BYTES]


def receipts_apply(*, updates: Sequence[DeliveryUpdate]) -> int:
    """Apply the updates that `TRANSITIONS` allows, and count them, in one transaction. Returns how many it applied."""
    best = _best(updates)
    if not best:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            APPLY,
            {
                "ids": [item.delivery_id for item in best],
                "states": [item.state.value for item in best],
                "reasons": [item.reason[:200] for item in best],
                "origins": [" ".join(_origins(item.state)) for item in best],
            },
        )
        changes = cursor.fetchall()
        _count(changes)
    for state, number in Counter(after for _, _, after in changes).items():
        count(Metric.RECEIPTS, number, outcome=state)
    return len(changes)


def _best(updates: Iterable[DeliveryUpdate]) -> list[DeliveryUpdate]:
    """The update of the highest rank for each delivery. With several rows for a delivery, UPDATE uses any of them."""
    best: dict[UUID, DeliveryUpdate] = {}
    for item in sorted(updates, key=lambda item: item.state.rank):
        best[item.delivery_id] = item
    return list(best.values())


def _origins(state: DeliveryState) -> list[str]:
    return [origin.value for origin, following in TRANSITIONS.items() if state in following]


def _count(changes: Iterable[tuple[UUID, str, str]]) -> None:
    deltas = CountDeltas()
    for notification_id, before, after in changes:
        deltas.move(notification_id, before, after)
    deltas.append()


def receipt_apply(*, tenant: Tenant, app: App, provider_message_id: str, state: DeliveryState, reason: str) -> None:
    """Apply a vendor's later report about one message. If no delivery has the message id yet, the report is parked: the
    worker may not have settled the delivery."""
    if _apply_by_message_id(tenant.pk, app.pk, provider_message_id, state, reason):
        return
    ParkedReceipt.objects.create(
        tenant=tenant,
        app=app,
        provider_message_id=provider_message_id[:200],
        state=state,
        reason=reason[:200],
        due_at=Now() + timedelta(seconds=PARK_BACKOFF.longest(0)),
    )


def _apply_by_message_id(tenant_id: UUID, app_id: UUID, message_id: str, state: DeliveryState, reason: str) -> bool:
    """Whether a delivery of this tenant and app has the message id. Another vendor may use the same id."""
    found = Delivery.objects.filter(
        tenant_id=tenant_id, lane__app_id=app_id, provider_message_id=message_id
    ).values_list("id", flat=True)
    ids = list(found[:1])
    receipts_apply(updates=[DeliveryUpdate(delivery_id, state, reason) for delivery_id in ids])
    return bool(ids)


def parked_receipts_retry(*, limit: int = 500) -> int:
    """Try the parked receipts that are due. Each is tried at growing intervals, PARK_ATTEMPTS times in all. Returns how
    many were due."""
    with transaction.atomic():
        due = ParkedReceipt.objects.filter(due_at__lte=Now()).order_by("due_at")
        parked = list(due.select_for_update(skip_locked=True)[:limit])
        for receipt in parked:
            _parked_retry(receipt)
    return len(parked)


def _parked_retry(receipt: ParkedReceipt) -> None:
    known = _apply_by_message_id(
        receipt.tenant_id, receipt.app_id, receipt.provider_message_id, DeliveryState(receipt.state), receipt.reason
    )
    receipt.attempts += 1
    if known or receipt.attempts >= PARK_ATTEMPTS:
        receipt.delete()
        return
    receipt.due_at = Now() + timedelta(seconds=PARK_BACKOFF.longest(receipt.attempts))
    receipt.save(update_fields=["attempts", "due_at"])
