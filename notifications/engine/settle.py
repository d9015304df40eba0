"""Store the results of claimed deliveries: one transaction for hundreds, each row only under its lease."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from devices.services import app_misconfigured, endpoints_mark_gone
from events.models import Event
from events.services import events_append
from events.types import EventType
from notifications.counts import CountDeltas
from notifications.engine import sql
from notifications.engine.session import durable, execute
from notifications.engine.types import Settlement
from notifications.reasons import DeliveryReason
from notifications.states import DeliveryState
from pushhub.kernel.metrics import Metric, count, observe

logger = logging.getLogger(__name__)

S = DeliveryState


def settle(settlements: Iterable[Settlement]) -> int:
    """Store them; how many had a valid lease. The others are dropped: the worker that has the lease now counts them.

    Raises DatabaseError. Nothing is stored then, and repeating is safe even if only the commit's confirmation was lost.
    """
    ordered = sorted(settlements, key=lambda settlement: settlement.delivery.id.int)
    if not ordered:
        return 0
    with durable():
        written, now = _write(ordered)
        settled = ordered if written is None else [item for item in ordered if item.delivery.id in written]
        late = set() if written is None else _write_late([item for item in ordered if item.delivery.id not in written])
        _append_counts(settled, now)
        _append_wakeups(settled)
        _update_devices(settled + [item for item in ordered if item.delivery.id in late] if late else settled)
        _record_dead(settled)
        _append_suspects(settled)
    _measure(settled, now=now, dropped=len(ordered) - len(settled) - len(late))
    return len(settled) + len(late)


def _columns(settlements: Sequence[Settlement]) -> dict[str, Any]:
    return {
        "ids": [item.delivery.id for item in settlements],
        "leases": [item.delivery.lease for item in settlements],
        "message_ids": [item.message_id for item in settlements],
    }


def _write(settlements: Sequence[Settlement]) -> tuple[set[UUID] | None, float]:
    """Returns the ids of the deliveries that were written, or None if all were; and the database's time."""
    ((written, now),) = execute(
        sql.SETTLE,
        _columns(settlements)
        | {
            "claimed": [S.SENDING.value],
            "states": [item.state.value for item in settlements],
            "waits": [item.wait for item in settlements],
            "attempts": [item.delivery.attempt + item.counted for item in settlements],
            "reasons": [item.reason for item in settlements],
            "expired": DeliveryReason.EXPIRED.value,
            "endpoint_pending": DeliveryReason.ENDPOINT_PENDING.value,
        },
    )
    return None if written is None else set(written), now


def _write_late(settlements: Sequence[Settlement]) -> set[UUID]:
    """Settle the deliveries whose state a receipt or callback has raised since the claim. They keep the higher state.
    Returns their ids."""
    accepted = [item for item in settlements if item.state is S.ACCEPTED]
    if not accepted:
        return set()
    raised = [state.value for state in S if state.rank >= S.ACCEPTED.rank]
    return {row[0] for row in execute(sql.SETTLE_LATE, _columns(accepted) | {"raised": raised})}


def _append_counts(settlements: Sequence[Settlement], now: float) -> None:
    deltas = CountDeltas()
    snapshots = {id(item.delivery.snapshot): item.delivery.snapshot for item in settlements}
    for (key, state), number in Counter((id(item.delivery.snapshot), item.state) for item in settlements).items():
        snapshot = snapshots[key]
        deltas.move(snapshot.id, S.SENDING, state, number=number)
        if state is S.ACCEPTED:
            deltas.delay(snapshot.id, (now - snapshot.started_at) * 1000, number=number)
    deltas.append()


def _append_wakeups(settlements: Sequence[Settlement]) -> None:
    waits: dict[int, float] = {}
    for item in settlements:
        if item.state is S.QUEUED:
            waits[item.delivery.lane.id] = min(item.wait, waits.get(item.delivery.lane.id, item.wait))
    if waits:
        execute(sql.LANE_WAKEUPS_APPEND, {"lanes": list(waits), "waits": list(waits.values())})


def _update_devices(settlements: Sequence[Settlement]) -> None:
    """What the results say about endpoints, keys and apps. A newer token or subscription is not changed."""
    gone: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    for item in settlements:
        if item.gone:
            gone[item.reason].add((item.delivery.device_id, item.delivery.token_version))
    for reason, rows in sorted(gone.items()):
        endpoints_mark_gone(rows=sorted(rows), reason=reason)
    proved = [item for item in settlements if item.vapid_key_id]
    if proved:
        execute(
            sql.VAPID_KEY_REMEMBER,
            {
                "ids": [item.delivery.device_id for item in proved],
                "versions": [item.delivery.token_version for item in proved],
                "keys": [item.vapid_key_id for item in proved],
            },
        )
    refused = {item.delivery.lane.app: item.misconfigured for item in settlements if item.misconfigured}
    for app, reason in refused.items():
        app_misconfigured(app_id=app.id, reason=reason, version=app.version)


def _append_suspects(settlements: Sequence[Settlement]) -> None:
    """In the settling transaction: an outcome that ended a delivery can be undone only while its row is kept."""
    suspects = [item for item in settlements if item.suspect_as]
    if suspects:
        execute(
            sql.SUSPECTS_APPEND,
            {
                "tenants": [item.delivery.lane.tenant_id for item in suspects],
                "apps": [item.delivery.lane.app.id for item in suspects],
                "origins": [item.delivery.host for item in suspects],
                "kinds": [str(item.suspect_as) for item in suspects],
                "reasons": [item.reason for item in suspects],
                "devices": [item.delivery.device_id for item in suspects],
                "versions": [item.delivery.token_version for item in suspects],
                "deliveries": [item.delivery.id for item in suspects],
            },
        )


def _record_dead(settlements: Sequence[Settlement]) -> None:
    """One event for each notification and flush, not for each delivery."""
    dead = Counter(
        (item.delivery.snapshot.tenant_id, item.delivery.snapshot.id) for item in settlements if item.state is S.DEAD
    )
    type = EventType.NOTIFICATION_DEAD
    events_append(
        events=(
            Event(tenant_id=tenant_id, type=type, subject=str(id_), data={"deliveries": number})
            for (tenant_id, id_), number in dead.items()
        )
    )


def _measure(settlements: Sequence[Settlement], *, now: float, dropped: int) -> None:
    for (provider, state), number in Counter(
        (item.delivery.lane.app.provider.name, item.state.value) for item in settlements
    ).items():
        count(Metric.DELIVERIES_SETTLED, number, provider=provider, outcome=state)
    for started_at in {item.delivery.snapshot.started_at for item in settlements if item.state is S.ACCEPTED}:
        observe(Metric.DELIVERY_DELAY_SECONDS, max(0.0, now - started_at))
    if dropped:
        count(Metric.LEASES_LOST, dropped)
        logger.warning("results dropped: another worker has leased the deliveries since", extra={"results": dropped})
