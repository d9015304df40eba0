"""Turn a notification's audience into deliveries, in key order. Cursor and rows commit together: exactly once.

The audience is who matches when the cursor passes. A device without a usable endpoint (`gone` for more than a
minute, `disabled`, removed) gets no delivery; a `pending` one gets one, which waits for the endpoint.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from notifications.expansion import sql
from notifications.holds import detection
from notifications.models import Notification
from notifications.states import NotificationState
from notifications.wake import Pool, wake
from pushhub.kernel.database import database_now, statement_run
from pushhub.kernel.metrics import Metric, count

INLINE: Final = 1_000  # deliveries made inside the accepting transaction: some 15 ms
CHUNK: Final = 5_000  # some 60 ms, during which the notification's row is locked
AHEAD: Final = 50_000  # unsent deliveries of one notification: more would only make its cancellation slow
AHEAD_WAIT: Final = timedelta(seconds=1)
TOPIC_SMALL: Final = 10_000  # subscriptions
LOOK: Final = 50_000  # devices that a chunk of a large topic looks at: some 150 ms

Parameters = dict[str, Any]

_STORED_AS_GIVEN: Final = ("category", "ttl", "urgency", "collapse_key", "silent", "rate", "send_at", "expires_at")
_STORED_AS_COUNTED: Final = ("total", "expansion_cursor", "state", "expanded_at", "expansion_due_at", "created_at")


def expansion_begin(*, notification: Notification) -> None:
    """Store a new notification: scheduled, to be expanded, or, with few users or devices, along with its deliveries.

    One statement, so that a crash leaves all of it or nothing. Wakes whoever is needed, on commit.
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
    """One chunk of the tenant that waited longest; whether there was anything to do. Safe to run anywhere."""
    with transaction.atomic():
        picked = _pick()
        if picked is None:
            return False
        notification, now = picked
        if notification.state == NotificationState.CANCELLED or notification.expires_at <= now:
            _finish(notification, now)
        elif (room := AHEAD - _unsent(notification)) <= 0:
            notification.expansion_due_at = now + AHEAD_WAIT
        else:
            _expand(notification, now=now, limit=min(CHUNK, room))
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
    """Of this notification; when that is too much, of its class: what is held back must not hold the others."""
    with connection.cursor() as cursor:
        cursor.execute(sql.UNSENT, [notification.id])
        unsent = int(cursor.fetchone()[0])
        if unsent >= AHEAD:
            place: Parameters = {"tenant": notification.tenant_id, "class": notification.delivery_class, "limit": AHEAD}
            cursor.execute(sql.UNSENT_CLAIMABLE, place)
            unsent = int(cursor.fetchone()[0])
        return unsent


def _expand(notification: Notification, *, now: datetime, limit: int) -> None:
    """One chunk, or the last one."""
    kind, names = _audience(notification)
    made, through = 0, True
    if kind:
        made, cursor, through = _chunk(kind, names | _chunk_parameters(notification, limit=limit))
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


def _audience(notification: Notification) -> tuple[str, Parameters]:
    """Which statement reads it, and its names. An unknown topic has no audience: kind ""."""
    to = notification.to
    if "users" in to or "devices" in to:
        kind = "users" if "users" in to else "devices"
        return kind, {"names": to[kind]}
    if "topic" not in to:
        return "all", {}
    with connection.cursor() as cursor:
        limit = TOPIC_SMALL + 1
        cursor.execute(sql.TOPIC_SIZE, {"tenant": notification.tenant_id, "name": to["topic"], "limit": limit})
        row = cursor.fetchone()
    if row is None:
        return "", {}
    return "topic_large" if row[1] > TOPIC_SMALL else "topic_small", {"topic": row[0]}


def _chunk_parameters(notification: Notification, *, limit: int) -> Parameters:
    return {
        "tenant": notification.tenant_id,
        "notification": notification.id,
        "class": notification.delivery_class,
        "cursor": notification.expansion_cursor,
        "limit": limit,
        "look": LOOK,
        "gone_window": detection.GONE_WINDOW,
        "start": _start(notification),
        "interval": timedelta(seconds=1 / notification.rate if notification.rate else 0),
    }


def _start(notification: Notification) -> datetime | None:
    """When the chunk's deliveries may begin. An expansion behind its rate goes on from now: no burst to catch up."""
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
    kind, names = _audience(notification)
    parameters = {
        **names,
        **_chunk_parameters(notification, limit=INLINE),
        "to": Jsonb(notification.to),
        "content": Jsonb(notification.content),
        **{name: getattr(notification, name) for name in _STORED_AS_GIVEN},
    }
    (row,) = _with_lanes(lambda: statement_run(sql.ACCEPT[kind], parameters), parameters)
    for name, value in zip(_STORED_AS_COUNTED, row, strict=True):
        setattr(notification, name, value)
    if notification.total:
        count(Metric.DELIVERIES_EXPANDED, notification.total)
        wake(Pool.DISPATCH)
    if notification.expansion_due_at is not None:
        wake(Pool.EXPAND)


def _chunk(kind: str, parameters: Parameters) -> tuple[int, int, bool]:
    with connection.cursor() as cursor:

        def run() -> list[tuple[Any, ...]]:
            cursor.execute(sql.CHUNKS[kind], parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

        ((made, last, through),) = _with_lanes(run, parameters)
    return made, last, through


def _with_lanes(run: Callable[[], list[tuple[Any, ...]]], parameters: Parameters) -> list[tuple[Any, ...]]:
    """A chunk whose lanes are all there answers a row; once in the life of an app they have to be made first."""
    while not (rows := run()):
        statement_run(sql.LANES_ENSURE, {name: parameters[name] for name in ("tenant", "class")})
    return rows


def _finish(notification: Notification, now: datetime) -> None:
    notification.expansion_due_at = None
    notification.expanded_at = now
    if notification.state != NotificationState.CANCELLED:
        notification.state = NotificationState.SENDING


def _save(notification: Notification) -> None:
    notification.save(update_fields=["state", "expansion_due_at", "expanded_at", "expansion_cursor", "total"])
