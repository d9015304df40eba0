"""The statements that keep deliveries, counts and notifications true; what `sql` says of its own holds for these."""

from typing import Final

# Deliveries whose holder did not settle in time go back, or end when that happened too often. Index: delivery_leased.
LEASES_RELEASE: Final = """
WITH lost AS MATERIALIZED (
    SELECT id FROM notifications_delivery
    WHERE state = 'sending' AND lease_expires_at < statement_timestamp()
    ORDER BY lease_expires_at LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED
), released AS (
    UPDATE notifications_delivery delivery
    SET state = CASE WHEN delivery.lost_leases >= %(cap)s THEN 'dead' ELSE 'queued' END,
        reason = CASE WHEN delivery.lost_leases >= %(cap)s THEN 'leases_lost' ELSE delivery.reason END,
        lost_leases = delivery.lost_leases + 1, lease = NULL, lease_expires_at = NULL, due_at = statement_timestamp()
    FROM lost WHERE delivery.id = lost.id
    RETURNING delivery.lane_id, delivery.notification_id, delivery.state
), signalled AS (
    INSERT INTO notifications_lanewakeup (lane_id, due_at)
    SELECT DISTINCT lane_id, statement_timestamp() FROM released WHERE state = 'queued'
), counted AS (
    INSERT INTO notifications_countdelta (notification_id, counts, delays)
    SELECT notification_id, jsonb_build_object('queued', -count(*), 'dead', count(*)), '{}'
    FROM released WHERE state = 'dead' GROUP BY notification_id
)
SELECT count(*) FROM released
"""

_FOLD: Final = """
WITH locked AS MATERIALIZED (
    SELECT n.id FROM notifications_notification n WHERE n.id = ANY ({ids}) ORDER BY n.id FOR NO KEY UPDATE {others}
), taken AS (
    DELETE FROM notifications_countdelta WHERE notification_id = ANY (ARRAY(SELECT id FROM locked))
    RETURNING notification_id AS id, counts, delays
), parts AS (
    SELECT id, 'counts' AS part, CASE key WHEN 'sending' THEN 'queued' ELSE key END AS key, value::bigint
    FROM taken, jsonb_each_text(counts)
    UNION ALL SELECT id, 'delays', key, value::bigint FROM taken, jsonb_each_text(delays)
), sums AS (
    SELECT id, part, key, sum(value) AS value FROM parts GROUP BY id, part, key
), updates AS (
    SELECT id, coalesce(jsonb_object_agg(key, value) FILTER (WHERE part = 'counts'), '{{}}') AS counts,
           coalesce(jsonb_object_agg(key, value) FILTER (WHERE part = 'delays'), '{{}}') AS delays
    FROM sums GROUP BY id
)
UPDATE notifications_notification n
SET counts = pushhub_counts_add(n.counts, updates.counts), delays = pushhub_counts_add(n.delays, updates.delays){more}
FROM updates WHERE n.id = updates.id
RETURNING n.id
"""

# Add deltas up in their notifications. A notification that somebody holds is left for the next second. `sending` is
# counted under `queued`: a claim writes no delta. Index: the deltas' key, then count_delta_notification.
DELTAS_FOLD: Final = _FOLD.format(
    ids="ARRAY(SELECT notification_id FROM notifications_countdelta ORDER BY id LIMIT 5000)",
    others="SKIP LOCKED",
    more="",
)

# Deliveries of these notifications are queued again, as a delta of this transaction says: they are open again, and what
# is counted says so at once, or COMPLETE would find nothing open until the delta is added up.
REOPEN: Final = _FOLD.format(
    ids="%(ids)s::uuid[]",
    others="",
    more=",\n    completed_at = NULL, state = CASE n.state WHEN 'completed' THEN 'sending' ELSE n.state END",
)

# Everything is accounted for and nothing is open. `total` is kept by the expansion on the same row, so that the counts
# of a chunk which has just committed cannot be missed. Who holds a notification may be opening it. Index:
# notification_open.
COMPLETE: Final = """
WITH done AS MATERIALIZED (
    SELECT n.id FROM notifications_notification n
    WHERE n.completed_at IS NULL AND n.expanded_at IS NOT NULL AND coalesce((n.counts->>'queued')::bigint, 0) = 0
      AND n.total = (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(n.counts))
    ORDER BY n.id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE notifications_notification n
SET completed_at = statement_timestamp(), state = CASE n.state WHEN 'cancelled' THEN n.state ELSE 'completed' END
FROM done WHERE n.id = done.id
RETURNING n.id, n.tenant_id, n.state, n.counts::text
"""

# Cancelled notifications end their expansion; those that are not completed are swept. Index: notification_cancelled.
CANCELLED: Final = """
WITH closed AS (
    UPDATE notifications_notification
    SET expanded_at = coalesce(expanded_at, statement_timestamp()), expansion_due_at = NULL
    WHERE completed_at IS NULL AND cancelled_at IS NOT NULL AND (expanded_at IS NULL OR expansion_due_at IS NOT NULL)
)
SELECT id FROM notifications_notification WHERE completed_at IS NULL AND cancelled_at IS NOT NULL
"""

# Expired notifications with deliveries that nobody claims: their app is out of order or gone, or their lane is paused.
# A little after their time, for claims end what they come upon. Index: notification_open.
EXPIRED: Final = """
SELECT id FROM notifications_notification
WHERE completed_at IS NULL AND expanded_at IS NOT NULL AND cancelled_at IS NULL
  AND expires_at < statement_timestamp() - interval '1 minute'
"""

# Its queued deliveries, a bounded number at a time from an id on. Index: delivery_notification.
SWEEP: Final = """
WITH open AS MATERIALIZED (
    SELECT id FROM notifications_delivery
    WHERE notification_id = %(notification)s AND id > %(after)s AND state = 'queued'
    ORDER BY id LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED
), swept AS (
    UPDATE notifications_delivery delivery SET state = %(state)s, reason = %(reason)s
    FROM open WHERE delivery.id = open.id RETURNING delivery.id
), counted AS (
    INSERT INTO notifications_countdelta (notification_id, counts, delays)
    SELECT %(notification)s, jsonb_build_object('queued', -count(*), %(state)s::text, count(*)), '{}'
    FROM swept HAVING count(*) > 0
)
SELECT id FROM open ORDER BY id DESC LIMIT 1
"""
