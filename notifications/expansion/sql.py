"""The statements that turn an audience into deliveries; what `sql` says of its own holds for these."""
# ruff: noqa: S608 - the parts put together are constants of this file; every value is a parameter

from typing import Final

# A lane for every app of the tenant, when a chunk found one missing. By itself: the chunk that follows must see lanes
# that somebody else has just made. Index: lane_key_origin.
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

# The audiences: each answers devices of the tenant after the cursor, to be ordered by key. Removed devices, and those
# whose endpoint is gone or disabled, get no delivery: there is nothing to send to. Pending ones do, and it waits. So do
# those said to be gone so recently that a gone spike may still be seen: the delivery ends as gone, too, and comes back
# with the device if that was said of most and is not believed.
_REACHABLE = """
    device.tenant_id = %(tenant)s AND device.id > %(cursor)s AND device.deleted_at IS NULL
    AND (device.endpoint_state IN ('pending', 'active', 'suspect')
         OR device.endpoint_state = 'gone'
            AND device.endpoint_changed_at > statement_timestamp() - %(gone_window)s::interval)
"""

# Index: end_user_user_id, then device_user.
_USERS = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device JOIN tenants_enduser person ON person.id = device.user_id
WHERE {_REACHABLE} AND person.tenant_id = %(tenant)s AND person.user_id = ANY (%(names)s)
"""

# Index: device_device_id.
_DEVICES = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device
WHERE {_REACHABLE} AND device.device_id = ANY (%(names)s::uuid[])
"""

# Index: device_tenant, walked from the cursor; the limit stops the walk.
_ALL = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device
WHERE {_REACHABLE}
"""

# Small topics: from the subscriptions to their devices. Every chunk reads all of the topic's subscriptions.
# Index: topic_subscription_user and _device, then device_user.
_TOPIC_SMALL = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device
WHERE {_REACHABLE} AND device.id IN (
    SELECT sub.device_id FROM notifications_topicsubscription sub
    WHERE sub.tenant_id = %(tenant)s AND sub.topic_id = %(topic)s AND sub.user_id IS NULL
    UNION
    SELECT owned.id FROM notifications_topicsubscription sub JOIN devices_device owned
        ON owned.tenant_id = %(tenant)s AND owned.user_id = sub.user_id AND owned.deleted_at IS NULL
    WHERE sub.tenant_id = %(tenant)s AND sub.topic_id = %(topic)s AND sub.device_id IS NULL)
"""

# Large topics: from the devices, in key order, to their subscriptions: two look-ups a device, and no chunk reads what
# another did. A chunk looks at so many devices `ahead` of the cursor and no more: few of them may be subscribed.
# Index: device_tenant from the cursor, then topic_subscription_device and _user; 3 µs a device.
_AHEAD = """
ahead AS MATERIALIZED (
    SELECT count(*) AS seen, max(id) AS last FROM (
        SELECT id FROM devices_device WHERE tenant_id = %(tenant)s AND id > %(cursor)s AND deleted_at IS NULL
        ORDER BY id LIMIT %(look)s) AS next
), """
_TOPIC_LARGE = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device
WHERE {_REACHABLE} AND device.id <= (SELECT last FROM ahead) AND (
    EXISTS (SELECT FROM notifications_topicsubscription sub
            WHERE sub.tenant_id = %(tenant)s AND sub.topic_id = %(topic)s
              AND sub.device_id = device.id AND sub.user_id IS NULL)
    OR EXISTS (SELECT FROM notifications_topicsubscription sub
            WHERE sub.tenant_id = %(tenant)s AND sub.topic_id = %(topic)s
              AND sub.user_id = device.user_id AND sub.device_id IS NULL))
"""

AUDIENCES: Final = {
    "users": _USERS,
    "devices": _DEVICES,
    "all": _ALL,
    "topic_small": _TOPIC_SMALL,
}

TOPIC_SIZE: Final = """
SELECT topic.id, (
    SELECT count(*) FROM (
        SELECT FROM notifications_topicsubscription sub
        WHERE sub.tenant_id = topic.tenant_id AND sub.topic_id = topic.id LIMIT %(limit)s) AS counted)
FROM notifications_topic topic
WHERE topic.tenant_id = %(tenant)s AND topic.name = %(name)s
"""

# One chunk: deliveries, the signal to each lane, the count, all from one look at the audience. About 10 µs a row, most
# of it for the indexes. `due_at` is spread by the rate, from `start` on but never in the past. No row in the answer:
# nothing was written, because a lane is missing.
_CHUNK = """
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
), signalled AS (
    INSERT INTO notifications_lanewakeup (lane_id, due_at)
    SELECT lane_id, min(due_at) FROM ready, chunk GROUP BY lane_id
), counted AS (
    INSERT INTO notifications_countdelta (notification_id, counts, delays)
    SELECT %(notification)s, jsonb_build_object('queued', made), '{{}}' FROM ready WHERE made > 0
)
SELECT * FROM stored
"""
# Deliveries made, the new cursor, and whether the audience is through.
_MADE = "SELECT made, last, made < %(limit)s FROM ready"
_MADE_OF_AHEAD = """
    SELECT made, CASE WHEN made < %(limit)s THEN coalesce(ahead.last, 0) ELSE ready.last END,
           made < %(limit)s AND seen < %(look)s
    FROM ready, ahead
"""
CHUNKS: Final = {
    kind: _CHUNK.format(ahead="", audience=audience, stored=_MADE) for kind, audience in AUDIENCES.items()
} | {"topic_large": _CHUNK.format(ahead=_AHEAD, audience=_TOPIC_LARGE, stored=_MADE_OF_AHEAD)}

# When the last delivery made is due, unless its time was changed since: tried, held or put off, it says no more of its
# neighbours. Index: delivery_notification.
LAST_DUE: Final = """
SELECT due_at FROM (
    SELECT due_at, attempt, state, reason FROM notifications_delivery
    WHERE notification_id = %s ORDER BY id DESC LIMIT 1
) AS last WHERE attempt = 0 AND state = 'queued' AND reason = ''
"""

# The accepted notification itself, with its first chunk: both or neither, without a transaction around them.
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
ACCEPT: Final = {
    kind: _CHUNK.format(ahead="", audience=AUDIENCES[kind], stored=_ACCEPTED) for kind in ("users", "devices")
}

# The next notification to expand: of the tenant that waited longest for a turn, the one that is due longest. A
# cancelled one is picked too, to be closed. Index: notification_expansion, which holds nothing but what waits.
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

# Deliveries made and not yet settled: what is folded plus what is not, in one snapshot.
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
