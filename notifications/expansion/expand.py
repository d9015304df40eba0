"""Make the deliveries of a notification's audience, in the order of the devices' keys.

The cursor and the deliveries are committed together, so that each device gets exactly one delivery.
A device belongs to the audience if it matches when the cursor passes it; see `notifications.expansion.audience`.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from notifications.expansion import sql
from notifications.expansion.audience import Audience, audience_of
from notifications.models import Notification
from notifications.states import NotificationState
from notifications.wake import Pool, wake
from pushhub.kernel.database import database_now, statement_run
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.metrics import Metric, count

INLINE: Final = 1_000  # deliveries made inside the accepting transaction: some 15 ms
CHUNK: Final = 5_000  # some 60 ms, during which the notification's row is locked
AHEAD: Final = 50_000  # unsent deliveries of one notification: more would only make its cancellation slow
AHEAD_WAIT: Final = timedelta(seconds=1)
LOOK: Final = 50_000  # devices that a chunk of a large topic looks at: some 150 ms
LANES_WAIT: Final = timedelta(seconds=10)
LANES_TRIES: Final = 3  # of a chunk; an app may be created between two of them

Parameters = dict[str, Any]

logger = logging.getLogger(__name__)

_STORED_AS_GIVEN: Final = ("category", "ttl", "urgency", "collapse_key", "silent", "rate", "send_at", "expires_at")
_STORED_AS_COUNTED: Final = ("total", "expansion_cursor", "state", "expanded_at", "expansion_due_at", "created_at")


class LanesMissing(ApiError):
    """A device of the audience belongs to an app that has no lane, and no lane could be made for it."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.UNAVAILABLE, detail="A device's app is not ready to send.", retry_after=1)


def expansion_begin(*, notification: Notification) -> None:
    """Store a new notification: scheduled, to be expanded, or, with few users or devices, along with its deliveries.

    One statement, so that a crash leaves all of it or nothing. Wakes the workers that are needed, on commit. Raises
    ApiError UNAVAILABLE if an app's lane cannot be made.
    """
    now = database_now()
    if notification.send_at is not None and notification.send_at > now:
        notification.state = NotificationState.SCHEDULED
        notification.expansion_due_at = notification.send_at
        notification.save(force_insert=True)
    elif notification.to.keys() & {"users", "devices"}:
        _store_expanded(notification)
    else:
        notification.state = NotificationState.QUEUED
        notification.expansion_due_at = now
        notification.save(force_insert=True)
        wake(Pool.EXPAND)


def expansion_step() -> bool:
    """One chunk of the tenant that waited longest; whether there was anything to do. Any number may run at once."""
    with transaction.atomic():
        picked = _pick()
        if picked is None:
            return False
        notification, now = picked
        if notification.state == NotificationState.CANCELLED or notification.expires_at <= now:
            _finish(notification, now)
        elif (left := AHEAD - _unsent(notification)) <= 0:
            notification.expansion_due_at = now + AHEAD_WAIT
        else:
            _expand(notification, now=now, limit=min(CHUNK, left))
        _save(notification)
    return True


def _pick() -> tuple[Notification, datetime] | None:
    """With the database's time: a host whose clock is ahead would end what has not expired."""
    with connection.cursor() as cursor:
        cursor.execute(sql.EXPANSION_PICK)
        row = cursor.fetchone()
        if row is None:
            return None
        notification = Notification.objects.get(id=row[0])
        cursor.execute(sql.EXPANSION_TURN, [notification.tenant_id])
    return notification, row[1]


def _unsent(notification: Notification) -> int:
    """Of this notification; if those are too many, the claimable ones of its class: deliveries that wait for the repair
    of an app must not delay the others."""
    with connection.cursor() as cursor:
        cursor.execute(sql.UNSENT, [notification.id])
        unsent = int(cursor.fetchone()[0])
        if unsent >= AHEAD:
            place: Parameters = {"tenant": notification.tenant_id, "class": notification.delivery_class, "limit": AHEAD}
            cursor.execute(sql.UNSENT_CLAIMABLE, place)
            unsent = int(cursor.fetchone()[0])
        return unsent


def _expand(notification: Notification, *, now: datetime, limit: int) -> None:
    """One chunk; after the last one, the end of the expansion."""
    audience = audience_of(tenant_id=notification.tenant_id, to=notification.to)
    made, through = 0, True
    if audience is not None:
        try:
            made, cursor, through = _chunk(audience, _chunk_parameters(notification, audience, limit=limit))
        except LanesMissing:
            # Not raised: the turn is over, so that a notification which cannot be expanded does not stop the others.
            logger.exception("an expansion waits for a lane", extra={"notification": str(notification.id)})
            notification.expansion_due_at = now + LANES_WAIT
            return
        notification.expansion_cursor = max(notification.expansion_cursor, cursor)
        notification.total += made
    if through:
        _finish(notification, now)
    else:
        notification.state = NotificationState.QUEUED
        notification.expansion_due_at = now
        wake(Pool.EXPAND)
    if made:
        count(Metric.DELIVERIES_EXPANDED, made)
        wake(Pool.DISPATCH)


def _chunk_parameters(notification: Notification, audience: Audience, *, limit: int) -> Parameters:
    return {
        **audience.parameters,
        "notification": notification.id,
        "class": notification.delivery_class,
        "cursor": notification.expansion_cursor,
        "limit": limit,
        "look": LOOK,
        "start": _start(notification),
        "interval": timedelta(seconds=1 / notification.rate if notification.rate else 0),
    }


def _start(notification: Notification) -> datetime | None:
    """When the first delivery of the chunk may be due. An expansion that is behind its rate continues from now, without
    a burst to catch up."""
    if not notification.rate or not notification.total:
        return notification.send_at
    with connection.cursor() as cursor:
        cursor.execute(sql.LAST_DUE, [notification.id])
        row: tuple[datetime] | None = cursor.fetchone()
    if row is not None:
        return row[0]
    return (notification.send_at or notification.created_at) + timedelta(seconds=notification.total / notification.rate)


def _store_expanded(notification: Notification) -> None:
    """The notification and its first INLINE deliveries. Planned once per connection: that is most of its cost."""
    audience = audience_of(tenant_id=notification.tenant_id, to=notification.to)
    assert audience is not None
    parameters = {
        **_chunk_parameters(notification, audience, limit=INLINE),
        "to": Jsonb(notification.to),
        "content": Jsonb(notification.content),
        **{name: getattr(notification, name) for name in _STORED_AS_GIVEN},
    }
    (row,) = _with_lanes(lambda: statement_run(sql.ACCEPT[audience.kind], parameters), parameters)
    for name, value in zip(_STORED_AS_COUNTED, row, strict=True):
        setattr(notification, name, value)
    if notification.total:
        count(Metric.DELIVERIES_EXPANDED, notification.total)
        wake(Pool.DISPATCH)
    if notification.expansion_due_at is not None:
        wake(Pool.EXPAND)


def _chunk(audience: Audience, parameters: Parameters) -> tuple[int, int, bool]:
    """Deliveries made, the new cursor, and whether the end of the audience is reached. Raises LanesMissing."""
    statement = sql.CHUNK_OF_LARGE_TOPIC if audience.large else sql.CHUNKS[audience.kind]
    with connection.cursor() as cursor:

        def run() -> list[tuple[Any, ...]]:
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

        ((made, last, through),) = _with_lanes(run, parameters)
    return made, last, through


def _with_lanes(run: Callable[[], list[tuple[Any, ...]]], parameters: Parameters) -> list[tuple[Any, ...]]:
    """The row of a chunk. It has none while a lane is missing: once in the life of an app, its lanes are made first.

    Raises LanesMissing.
    """
    for _ in range(LANES_TRIES):
        if rows := run():
            return rows
        statement_run(sql.LANES_ENSURE, {name: parameters[name] for name in ("tenant", "class")})
    raise LanesMissing


def _finish(notification: Notification, now: datetime) -> None:
    notification.expansion_due_at = None
    notification.expanded_at = now
    if notification.state != NotificationState.CANCELLED:
        notification.state = NotificationState.SENDING


def _save(notification: Notification) -> None:
    notification.save(update_fields=["state", "expansion_due_at", "expanded_at", "expansion_cursor", "total"])
