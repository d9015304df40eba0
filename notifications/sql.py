"""Every hot statement of the delivery engine: what it does, which index it walks, what it costs.

Costs are CPU of PostgreSQL 18 per row, with the indexes that the table really has, on two shared cores. Rows are never
loaded to be counted or copied: a statement reads, decides and writes a whole set. States are literals, so that the
partial indexes match; ids come from `pushhub_uuid7()`, so that the rows of a chunk sit together. All times are the
database's: `statement_timestamp()`, because a lock may have been waited for since the transaction began.
"""
# ruff: noqa: S608 - the parts put together are constants of this file; every value is a parameter

from typing import Final

# --- Expansion ---------------------------------------------------------------------------------------------------

# A lane for every app of the tenant. First and alone: the chunk that follows must see lanes that somebody else has
# just made. Index: lane_key. Nothing is written once they exist.
LANES_ENSURE: Final = """
INSERT INTO notifications_lane (tenant_id, app_id, delivery_class, paused_reason)
SELECT app.tenant_id, app.id, %(class)s, ''
FROM devices_app app
WHERE app.tenant_id = %(tenant)s AND NOT EXISTS (
    SELECT FROM notifications_lane lane
    WHERE lane.tenant_id = app.tenant_id AND lane.app_id = app.id AND lane.delivery_class = %(class)s)
ON CONFLICT DO NOTHING
"""

# The audiences: each answers devices of the tenant after the cursor, to be ordered by key. Removed devices, and those
# whose endpoint is gone or disabled, get no delivery: there is nothing to send to. Pending ones do, and it waits.
_REACHABLE = """
    device.tenant_id = %(tenant)s AND device.id > %(cursor)s AND device.deleted_at IS NULL
    AND device.endpoint_state IN ('pending', 'active', 'suspect')
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
# another did. Index: device_tenant from the cursor, then topic_subscription_device and _user.
_TOPIC_LARGE = f"""
SELECT device.id, device.app_id, device.generation
FROM devices_device device
WHERE {_REACHABLE} AND (
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
    "topic_large": _TOPIC_LARGE,
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
# of it for the indexes. `due_at` is spread by the rate, from `start` on but never in the past.
_CHUNK = """
WITH chunk AS MATERIALIZED (
    SELECT audience.id, audience.generation, lane.id AS lane_id,
           greatest(statement_timestamp(), %(start)s)
               + row_number() OVER (ORDER BY audience.id) * %(interval)s::interval AS due_at
    FROM (
        SELECT picked.* FROM ({audience}) AS picked
        WHERE EXISTS (SELECT FROM notifications_lane lane WHERE lane.tenant_id = %(tenant)s
                      AND lane.app_id = picked.app_id AND lane.delivery_class = %(class)s)
        ORDER BY picked.id LIMIT %(limit)s
    ) AS audience
    JOIN notifications_lane lane
        ON lane.tenant_id = %(tenant)s AND lane.app_id = audience.app_id AND lane.delivery_class = %(class)s
), made AS (
    INSERT INTO notifications_delivery (id, tenant_id, notification_id, device_id, lane_id, generation, due_at)
    SELECT pushhub_uuid7(), %(tenant)s, %(notification)s, id, lane_id, generation, due_at FROM chunk ORDER BY id
), signalled AS (
    INSERT INTO notifications_lanesignal (lane_id, due_at) SELECT lane_id, min(due_at) FROM chunk GROUP BY lane_id
), counted AS (
    INSERT INTO notifications_countdelta (notification_id, counts, delays)
    SELECT %(notification)s, jsonb_build_object('queued', count(*)), '{{}}' FROM chunk HAVING count(*) > 0
)
SELECT count(*), coalesce(max(id), 0) FROM chunk
"""
CHUNKS: Final = {kind: _CHUNK.format(audience=audience) for kind, audience in AUDIENCES.items()}

# The next notification to expand: of the tenant that waited longest for a turn, the one that is due longest. A
# cancelled one is picked too, to be closed. Index: notification_expansion, which holds nothing but what waits.
EXPANSION_PICK: Final = """
SELECT n.id
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
