"""The statements of the engine: what each does, which index it uses, what it costs. The rules here also hold for the
statements of the expansion, of holds and of upkeep.

Costs are CPU of PostgreSQL 18 per row, with all indexes of the table, on two shared cores. Rows are never loaded to be
counted or copied: a statement reads, decides and writes a whole set. States are literals, so that the partial indexes
match. Ids come from `pushhub_uuid7()`, so that the rows of a chunk are next to each other. All times are the
database's, by `statement_timestamp()`: the transaction may have waited for a lock since it began. Rows of tables that
are often empty are selected by `= ANY (ARRAY(…))` or `= (SELECT …)`: the planner takes a table for empty that was empty
when it was last vacuumed, and a join would read all of it for every row.
"""
# ruff: noqa: S608 - the parts put together are constants of this file; every value is a parameter

from typing import Final

# --- Lanes -------------------------------------------------------------------------------------------------------

# Apply wake-ups to their lanes. One statement deletes the wake-ups and updates the lanes. Lanes are locked in key
# order, so that two of these statements never deadlock. Index: the wake-ups' primary key; a few µs a wake-up.
LANE_WAKEUPS_APPLY: Final = """
WITH taken AS (
    DELETE FROM notifications_lanewakeup WHERE id = ANY (ARRAY(
        SELECT id FROM notifications_lanewakeup ORDER BY id LIMIT 2000 FOR UPDATE SKIP LOCKED))
    RETURNING lane_id, due_at
), updates AS (
    SELECT lane_id, min(due_at) AS due_at FROM taken GROUP BY lane_id
), locked AS (
    SELECT lane.id, updates.due_at FROM notifications_lane lane JOIN updates ON updates.lane_id = lane.id
    ORDER BY lane.id FOR NO KEY UPDATE OF lane
)
UPDATE notifications_lane lane SET next_due_at = least(lane.next_due_at, locked.due_at)
FROM locked WHERE lane.id = locked.id
"""

# Of the lanes of a class that are due and may claim, pick one of the tenant that was served least. It is charged what
# it may claim, and so are the tenant's other lanes with queued deliveries: a tenant's lanes share one account. A tenant
# that was idle starts at most `max_deficit` behind the lane served most, so an idle time gives no credit. Index:
# lane_due, in its order and from its end (idle lanes are not in it, so their number costs nothing), then lane_shared. A
# lane that another process is picking now is skipped, without waiting. `lane.served` is read under its lock, so two
# picks at the same time are charged twice.
LANE_PICK: Final = """
WITH first AS MATERIALIZED (
    SELECT due.id, due.tenant_id, due.app_id FROM notifications_lane due
    WHERE due.delivery_class = %(class)s AND due.next_due_at <= statement_timestamp() AND due.paused_at IS NULL
      AND (due.rate_limited_until IS NULL OR due.rate_limited_until <= statement_timestamp())
      AND (SELECT state FROM devices_app WHERE id = due.app_id) = 'active'
    ORDER BY due.served, due.served_at LIMIT 1 FOR NO KEY UPDATE OF due SKIP LOCKED
), shared AS MATERIALIZED (
    SELECT own.id, own.served FROM notifications_lane own
    WHERE own.tenant_id = (SELECT tenant_id FROM first) AND own.delivery_class = %(class)s
      AND own.next_due_at >= '2000-01-01 00:00+00'
    FOR NO KEY UPDATE OF own SKIP LOCKED
), base AS MATERIALIZED (
    SELECT greatest((SELECT max(served) FROM shared), (
        SELECT leader.served FROM notifications_lane leader
        WHERE leader.delivery_class = %(class)s AND leader.next_due_at IS NOT NULL AND leader.paused_at IS NULL
        ORDER BY leader.served DESC LIMIT 1) - %(max_deficit)s) AS served
), charged AS (
    UPDATE notifications_lane lane
    SET served = greatest(lane.served, base.served) + %(limit)s,
        served_at = CASE WHEN lane.id = first.id THEN clock_timestamp() ELSE lane.served_at END
    FROM base, first WHERE lane.id = ANY (ARRAY(SELECT id FROM shared))
)
SELECT first.id, first.tenant_id, tenant.deliveries_per_second, app.id, app.version, app.provider, app.sns_platform,
       app.region, app.account_id
FROM first JOIN tenants_tenant tenant ON tenant.id = first.tenant_id JOIN devices_app app ON app.id = first.app_id
"""

# A lane and those that are charged with it, in key order, against deadlocks. Index: lane_key_origin.
LANE_LOCK: Final = """
SELECT own.id FROM notifications_lane lane JOIN notifications_lane own
    ON own.tenant_id = lane.tenant_id AND own.delivery_class = lane.delivery_class
    AND (own.next_due_at IS NOT NULL OR own.id = lane.id)
WHERE lane.id = %(lane)s ORDER BY own.id FOR NO KEY UPDATE OF own
"""

# Closing a lane takes two statements in one transaction: see lanes.lane_close. What was charged and not claimed is
# refunded to all lanes that were charged. Index: the lanes' key, then delivery_due.
LANE_CLOSE: Final = """
UPDATE notifications_lane
SET served = served - %(unused)s, next_due_at = CASE WHEN id <> %(lane)s THEN next_due_at ELSE (
    SELECT min(due_at) FROM notifications_delivery WHERE lane_id = %(lane)s AND state = 'queued') END
WHERE id = ANY (%(shared)s)
"""

# A rate limit is used up: the lane may not claim until its bucket has tokens again. Its next due time stays as it is.
LANE_RATE_LIMIT: Final = f"""
WITH shared AS MATERIALIZED ({LANE_LOCK})
UPDATE notifications_lane lane
SET served = lane.served - %(unused)s, rate_limited_until = CASE WHEN lane.id <> %(lane)s THEN lane.rate_limited_until
    ELSE statement_timestamp() + %(wait)s * interval '1 second' END
FROM shared WHERE lane.id = shared.id
"""

WORK_DUE: Final = """
SELECT EXISTS (
    SELECT FROM notifications_lane lane JOIN devices_app app ON app.id = lane.app_id
    WHERE lane.next_due_at <= statement_timestamp() AND lane.paused_at IS NULL AND app.state = 'active'
) OR EXISTS (SELECT FROM notifications_lanewakeup WHERE due_at <= statement_timestamp())
"""

# Whether a transactional lane is due and may claim, or has a wake-up. Index: lane_due, then the wake-ups' primary key;
# 50 µs.
URGENT_DUE: Final = """
SELECT EXISTS (
    SELECT FROM notifications_lane lane
    WHERE lane.delivery_class = 'transactional' AND lane.next_due_at <= statement_timestamp()
      AND lane.paused_at IS NULL
      AND (lane.rate_limited_until IS NULL OR lane.rate_limited_until <= statement_timestamp())
      AND (SELECT state FROM devices_app WHERE id = lane.app_id) = 'active'
) OR EXISTS (
    SELECT FROM notifications_lane WHERE delivery_class = 'transactional' AND id = ANY (ARRAY(
        SELECT lane_id FROM notifications_lanewakeup WHERE due_at <= statement_timestamp() ORDER BY id LIMIT 2000))
)
"""

# Lanes without a due time that have queued deliveries. That would be a bug; it is repaired all the same.
LANES_RESCUE: Final = """
UPDATE notifications_lane lane SET next_due_at = found.due_at
FROM (
    SELECT idle.id, (SELECT min(due_at) FROM notifications_delivery
                     WHERE lane_id = idle.id AND state = 'queued') AS due_at
    FROM notifications_lane idle WHERE idle.next_due_at IS NULL AND idle.push_origin = ''
) AS found
WHERE lane.id = found.id AND found.due_at < statement_timestamp() - interval '1 minute' AND lane.next_due_at IS NULL
RETURNING lane.id
"""

LANE_WAKEUPS_APPEND: Final = """
INSERT INTO notifications_lanewakeup (lane_id, due_at)
SELECT lane_id, statement_timestamp() + wait * interval '1 second'
FROM unnest(%(lanes)s::bigint[], %(waits)s::float8[]) AS wakeup (lane_id, wait)
"""

# --- Claim -------------------------------------------------------------------------------------------------------

# The lane's due deliveries, oldest due first, with what sending needs of the device. Rows that another process is
# claiming are skipped. `start`: see scan_cursor. Index: delivery_due of every partition (10 µs each, old rows cost
# nothing), then two keys a row; 12 µs a row. Read as types.ClaimRow.
CLAIM: Final = """
WITH due AS MATERIALIZED (
    SELECT id, due_at FROM notifications_delivery
    WHERE lane_id = %(lane)s AND state = 'queued' AND due_at BETWEEN %(start)s AND statement_timestamp()
    ORDER BY due_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    UPDATE notifications_delivery delivery
    SET state = 'sending', lease = %(lease)s,
        lease_expires_at = statement_timestamp() + %(seconds)s * interval '1 second'
    FROM due WHERE delivery.id = due.id
    RETURNING delivery.id, delivery.notification_id, delivery.device_id, delivery.generation, delivery.attempt
)
SELECT claimed.id, claimed.notification_id, claimed.device_id, claimed.attempt,
       device.id IS NOT NULL AND device.deleted_at IS NULL,
       device.generation = claimed.generation, device.token_version, device.endpoint_state, device.mapping_id::text,
       device.push_origin, device.endpoint_sealed, device.endpoint_arn, device.vapid_key_id,
       claimed.generation, (SELECT max(due_at) FROM due)
FROM claimed LEFT JOIN devices_device device ON device.id = claimed.device_id
"""

# What all deliveries of a notification share. Read with every claim, because a cancellation takes effect at once.
NOTIFICATIONS: Final = """
SELECT id, tenant_id, cancelled_at IS NOT NULL, ttl,
       extract(epoch FROM expires_at)::float8, extract(epoch FROM greatest(created_at, send_at))::float8,
       extract(epoch FROM statement_timestamp())::float8
FROM notifications_notification WHERE id = ANY (%(ids)s)
"""

# The generations, read again some milliseconds before a batch of payloads is encrypted, 1 µs a row; and whether a
# transactional lane may claim. In one statement, because a round trip costs more than either.
GENERATIONS: Final = f"""
SELECT id, generation, token_version, ({URGENT_DUE}) FROM devices_device WHERE id = ANY (%(ids)s)
"""

# --- Settle ------------------------------------------------------------------------------------------------------

# Only under the row's lease, and only while no receipt has raised the state. The ids are sorted, because receipts lock
# rows in that order too. The state is a parameter on purpose: as a literal it lets the planner read everything that is
# being sent, once for every result; a range of ids as a second condition did the same, and cost 85 µs a row. Index: the
# key, pruned to the row's partition; 18 µs a row, most of it for the indexes. What a delivery waited for stays as its
# reason while it is queued again without a newer reason, and when it expires. But `endpoint_pending` does not stay
# when it is queued again: the claim has found the endpoint ready.
SETTLE: Final = """
WITH settled AS (
    UPDATE notifications_delivery delivery
    SET state = result.state, attempt = result.attempt,
        reason = CASE WHEN delivery.reason <> '' AND (result.reason = %(expired)s
                                                      OR result.reason = '' AND result.state = 'queued'
                                                         AND delivery.reason <> %(endpoint_pending)s)
                 THEN delivery.reason ELSE result.reason END,
        due_at = CASE WHEN result.state = 'queued' THEN statement_timestamp() + result.wait * interval '1 second'
                 ELSE delivery.due_at END,
        accepted_at = CASE WHEN result.state = 'accepted' THEN statement_timestamp() END,
        provider_message_id = result.message_id, lease = NULL, lease_expires_at = NULL
    FROM unnest(%(ids)s::uuid[], %(leases)s::uuid[], %(states)s::text[], %(waits)s::float8[], %(attempts)s::int[],
                %(message_ids)s::text[], %(reasons)s::text[])
        AS result (id, lease, state, wait, attempt, message_id, reason)
    WHERE delivery.id = result.id AND delivery.lease = result.lease AND delivery.state = ANY (%(claimed)s)
    RETURNING delivery.id
)
SELECT CASE WHEN count(*) < cardinality(%(ids)s::uuid[]) THEN coalesce(array_agg(id), '{}') END,
       extract(epoch FROM statement_timestamp())::float8
FROM settled
"""

# A receipt or callback arrived before the settle. Its higher state stays; what only the settle knows is added.
SETTLE_LATE: Final = """
UPDATE notifications_delivery delivery
SET accepted_at = statement_timestamp(), provider_message_id = result.message_id, lease = NULL, lease_expires_at = NULL
FROM unnest(%(ids)s::uuid[], %(leases)s::uuid[], %(message_ids)s::text[]) AS result (id, lease, message_id)
WHERE delivery.id = result.id AND delivery.lease = result.lease AND delivery.state = ANY (%(raised)s)
RETURNING delivery.id
"""

VAPID_KEY_REMEMBER: Final = """
UPDATE devices_device device SET vapid_key_id = accepted.key
FROM unnest(%(ids)s::bigint[], %(versions)s::int[], %(keys)s::uuid[]) AS accepted (id, version, key)
WHERE device.id = accepted.id AND device.token_version = accepted.version AND device.vapid_key_id IS NULL
"""

# Suspect outcomes, for the detection of holds.
SUSPECTS_APPEND: Final = """
INSERT INTO notifications_suspectoutcome
    (tenant_id, app_id, push_origin, kind, reason, device_id, token_version, delivery_id)
SELECT * FROM unnest(%(tenants)s::uuid[], %(apps)s::uuid[], %(origins)s::text[], %(kinds)s::text[], %(reasons)s::text[],
                     %(devices)s::bigint[], %(versions)s::int[], %(deliveries)s::uuid[])
"""
