"""The statements that turn an audience into deliveries. Rules of the statements: see `notifications.engine.sql`."""

from typing import Final

from notifications.counts import delta_insert
from notifications.expansion.audience import AUDIENCES, TOPIC_AHEAD, TOPIC_LARGE

# A lane for every app of the tenant, when a chunk found one missing. A statement of its own, because the chunk that
# follows must see lanes that another transaction has just made. Index: lane_key_origin.
LANES_ENSURE: Final = """
INSERT INTO notifications_lane (tenant_id, app_id, delivery_class, paused_reason)
SELECT app.tenant_id, app.id, %(class)s::varchar, ''
FROM devices_app app
WHERE app.tenant_id = %(tenant)s AND NOT EXISTS (
    SELECT FROM notifications_lane lane
    WHERE (lane.tenant_id, lane.app_id, lane.delivery_class, lane.push_origin)
        = (app.tenant_id, app.id, %(class)s::varchar, ''))
ON CONFLICT DO NOTHING
"""

# One chunk: deliveries, the wake-up of each lane and the count, all from one snapshot of the audience. About 10 µs a
# row, most of it for the indexes. `due_at` is spread by the rate, from `start` on but never in the past. No row in the
# result: nothing was written, because a lane is missing.
_CHUNK_PARTS = """
WITH {ahead}chunk AS MATERIALIZED (
    SELECT audience.id, audience.generation, lane.id AS lane_id,
           greatest(statement_timestamp(), %(start)s)
               + row_number() OVER (ORDER BY audience.id) * %(interval)s::interval AS due_at
    FROM ({audience} ORDER BY device.id LIMIT %(limit)s) AS audience
    LEFT JOIN notifications_lane lane
        ON (lane.tenant_id, lane.app_id, lane.delivery_class, lane.push_origin)
            = (%(tenant)s, audience.app_id, %(class)s::varchar, '')
), ready AS (
    SELECT count(*) AS made, coalesce(max(id), 0) AS last FROM chunk HAVING count(*) = count(lane_id)
), stored AS ({stored}), made AS (
    INSERT INTO notifications_delivery (id, tenant_id, notification_id, device_id, lane_id, generation, due_at)
    SELECT pushhub_uuid7(), %(tenant)s, %(notification)s, id, lane_id, generation, due_at FROM ready, chunk ORDER BY id
), wakeups AS (
    INSERT INTO notifications_lanewakeup (lane_id, due_at)
    SELECT lane_id, min(due_at) FROM ready, chunk GROUP BY lane_id
), counted AS (
    {counted}
)
SELECT * FROM stored
"""


def _chunk(*, audience: str, stored: str, ahead: str = "") -> str:
    counts = "jsonb_build_object('queued', made)"
    counted = delta_insert("ready WHERE made > 0", notification="%(notification)s", counts=counts)
    return _CHUNK_PARTS.format(ahead=ahead, audience=audience, stored=stored, counted=counted)


# Deliveries made, the new cursor, and whether the end of the audience is reached.
_MADE = "SELECT made, last, made < %(limit)s FROM ready"
_MADE_OF_AHEAD = """
    SELECT made, CASE WHEN made < %(limit)s THEN coalesce(ahead.last, 0) ELSE ready.last END,
           made < %(limit)s AND seen < %(look)s
    FROM ready, ahead
"""
CHUNKS: Final = {kind: _chunk(audience=audience, stored=_MADE) for kind, audience in AUDIENCES.items()}
CHUNK_OF_LARGE_TOPIC: Final = _chunk(audience=TOPIC_LARGE, stored=_MADE_OF_AHEAD, ahead=TOPIC_AHEAD)

# When the last delivery made is due, unless its due time was changed since: an attempt, a hold or a wait of its own
# says nothing about the deliveries next to it. Index: delivery_notification.
LAST_DUE: Final = """
SELECT due_at FROM (
    SELECT due_at, attempt, state, reason FROM notifications_delivery
    WHERE notification_id = %s ORDER BY id DESC LIMIT 1
) AS last WHERE attempt = 0 AND state = 'queued' AND reason = ''
"""

# The accepted notification itself with its first chunk: one statement, so that both are stored or neither.
_ACCEPTED = """
    INSERT INTO notifications_notification (
        id, tenant_id, delivery_class, "to", content, category, ttl, urgency, collapse_key, silent, rate, send_at,
        expires_at, counts, delays, total, expansion_cursor, state, expanded_at, expansion_due_at)
    SELECT %(notification)s, %(tenant)s, %(class)s::varchar, %(to)s, %(content)s, %(category)s, %(ttl)s, %(urgency)s,
           %(collapse_key)s, %(silent)s, %(rate)s::int, %(send_at)s::timestamptz, %(expires_at)s,
           '{}', '{}', made, last,
           CASE WHEN made < %(limit)s THEN 'sending' ELSE 'queued' END,
           CASE WHEN made < %(limit)s THEN statement_timestamp() END,
           CASE WHEN made = %(limit)s THEN statement_timestamp() END
    FROM ready
    RETURNING total, expansion_cursor, state, expanded_at, expansion_due_at, created_at
"""
ACCEPT: Final = {kind: _chunk(audience=AUDIENCES[kind], stored=_ACCEPTED) for kind in ("users", "devices")}

# The next notification to expand: of the tenant that waited longest for a turn, the one that is due longest. A
# cancelled one is picked as well, to be closed. Index: notification_expansion, which has waiting notifications only.
EXPANSION_PICK: Final = """
SELECT n.id, statement_timestamp()
FROM notifications_notification n LEFT JOIN notifications_expansionturn turn ON turn.tenant_id = n.tenant_id
WHERE n.expansion_due_at <= statement_timestamp()
ORDER BY turn.served_at NULLS FIRST, n.expansion_due_at
LIMIT 1
FOR NO KEY UPDATE OF n SKIP LOCKED
"""

EXPANSION_TURN: Final = """
INSERT INTO notifications_expansionturn (tenant_id, served_at) VALUES (%s, clock_timestamp())
ON CONFLICT (tenant_id) DO UPDATE SET served_at = excluded.served_at
"""

# Deliveries made and not yet settled: the folded counts plus the deltas that are not folded yet, in one snapshot.
# Index: count_delta_notification.
UNSENT: Final = """
SELECT coalesce((n.counts->>'queued')::bigint, 0) + coalesce((
    SELECT sum(coalesce((delta.counts->>'queued')::bigint, 0)) FROM notifications_countdelta delta
    WHERE delta.notification_id = n.id), 0)
FROM notifications_notification n WHERE n.id = %s
"""

# How many deliveries of the class could be claimed, up to a limit. Index: lane_key_origin, then delivery_due.
UNSENT_CLAIMABLE: Final = """
SELECT count(*) FROM (
    SELECT FROM notifications_lane lane JOIN devices_app app ON app.id = lane.app_id AND app.state = 'active'
    JOIN notifications_delivery delivery ON delivery.lane_id = lane.id AND delivery.state = 'queued'
    WHERE lane.tenant_id = %(tenant)s AND lane.delivery_class = %(class)s AND lane.paused_at IS NULL
    LIMIT %(limit)s) AS counted
"""
