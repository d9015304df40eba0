"""The statements of holds. In good times a worker runs two of them a second, each a few µs.

See `notifications.engine.sql`.
"""

# ruff: noqa: S608 - the parts put together are constants; every value is a parameter

from typing import Final

from notifications.counts import moves_insert

# --- Workers -----------------------------------------------------------------------------------------------------

# Index: hold_key, which holds nothing but what is not drained.
HOLD_LIST_OPEN: Final = """
SELECT app_id, push_origin, id, probe_id FROM notifications_hold WHERE drained_at IS NULL AND released_at IS NULL
"""

TALLIES_APPEND: Final = """
INSERT INTO notifications_acceptedtally (tenant_id, app_id, push_origin, accepted)
SELECT app.tenant_id, app.id, tally.origin, tally.accepted
FROM unnest(%(apps)s::uuid[], %(origins)s::text[], %(accepted)s::int[]) AS tally (app, origin, accepted)
JOIN devices_app app ON app.id = tally.app
"""

# Claimed deliveries of a held (app, origin) into its lane, due when they expire. The hold is locked, so that nobody
# releases it between our look and our commit: what comes after the last look at the lane would stay there.
DIVERT: Final = """
WITH held AS MATERIALIZED (
    SELECT id, push_origin FROM notifications_hold WHERE id = ANY (%(holds)s) AND released_at IS NULL FOR SHARE
)
UPDATE notifications_delivery delivery
SET state = 'queued', lane_id = lane.id, due_at = n.expires_at, reason = %(reason)s, lease = NULL,
    lease_expires_at = NULL
FROM unnest(%(ids)s::uuid[], %(leases)s::uuid[], %(hold_of)s::uuid[]) AS claimed (id, lease, hold_id)
JOIN held ON held.id = claimed.hold_id, notifications_lane own, notifications_lane lane, notifications_notification n
WHERE delivery.id = claimed.id AND delivery.lease = claimed.lease AND delivery.state = ANY (%(claimed)s)
  AND own.id = delivery.lane_id AND lane.tenant_id = own.tenant_id AND lane.app_id = own.app_id
  AND lane.delivery_class = own.delivery_class AND lane.push_origin = held.push_origin
  AND n.id = delivery.notification_id
RETURNING delivery.id
"""

# --- Judging -----------------------------------------------------------------------------------------------------
#
# All doubtful answers are judged that no hold has. SUSPECTS_PRUNE, which runs afterwards, leaves a window of them:
# what came while upkeep was away, however long, is judged all the same.

# Many devices refused since the last success. Index: suspect_recent, then accepted_tally.
REFUSED: Final = """
WITH recent AS MATERIALIZED (
    SELECT tenant_id, app_id, push_origin, reason, device_id, at FROM notifications_suspectoutcome
    WHERE hold_id IS NULL AND kind = 'refused'
), candidate AS (
    SELECT tenant_id, app_id, push_origin, coalesce((
        SELECT max(tally.at) FROM notifications_acceptedtally tally
        WHERE tally.app_id = recent.app_id AND tally.push_origin = recent.push_origin), '-infinity') AS success
    FROM recent GROUP BY tenant_id, app_id, push_origin HAVING count(DISTINCT device_id) >= %(devices)s
)
SELECT tenant_id, app_id, push_origin, mode() WITHIN GROUP (ORDER BY reason),
       jsonb_build_object('devices_refused', count(DISTINCT device_id), 'accepted', 0)::text
FROM candidate JOIN recent USING (tenant_id, app_id, push_origin)
WHERE recent.at > candidate.success
GROUP BY tenant_id, app_id, push_origin
HAVING count(DISTINCT device_id) >= %(devices)s AND min(at) < statement_timestamp() - %(delay)s::interval
"""

# Most answers say "gone". A device counts once: its later deliveries end without being sent. Not again for a while
# after an operator has said that they are right.
GONE: Final = """
WITH many AS (
    SELECT tenant_id, app_id, push_origin, mode() WITHIN GROUP (ORDER BY reason) AS reason,
           count(DISTINCT device_id) AS gone, min(at) AS since
    FROM notifications_suspectoutcome WHERE hold_id IS NULL AND kind = 'gone'
    GROUP BY tenant_id, app_id, push_origin HAVING count(DISTINCT device_id) >= %(devices)s
), judged AS (
    SELECT many.*, coalesce((
        SELECT sum(tally.accepted) FROM notifications_acceptedtally tally
        WHERE tally.app_id = many.app_id AND tally.push_origin = many.push_origin
          AND tally.at > least(many.since, statement_timestamp() - %(window)s::interval)), 0) AS accepted
    FROM many
)
SELECT tenant_id, app_id, push_origin, reason,
       jsonb_build_object('devices_gone', gone, 'accepted', accepted)::text
FROM judged
WHERE gone >= %(share)s::float8 * (gone + accepted) AND since < statement_timestamp() - %(delay)s::interval
  AND NOT EXISTS (
    SELECT FROM notifications_hold told
    WHERE told.app_id = judged.app_id AND told.push_origin = judged.push_origin AND told.outcome = 'gone'
      AND told.released_at > statement_timestamp() - %(believed)s::interval)
"""

# So many devices gone in a row, without a success in between: a burst in a steady flow, too short to be most of the
# window, and over perhaps before anybody looked. Index: suspect_recent, then accepted_tally; sorted, so only of
# those that have so many.
GONE_IN_A_ROW: Final = """
WITH recent AS MATERIALIZED (
    SELECT tenant_id, app_id, push_origin, reason, device_id, at FROM notifications_suspectoutcome
    WHERE hold_id IS NULL AND kind = 'gone'
), many AS (
    SELECT app_id, push_origin FROM recent GROUP BY app_id, push_origin HAVING count(*) >= %(devices)s
), answers AS (
    SELECT tenant_id, app_id, push_origin, reason, device_id, at FROM recent JOIN many USING (app_id, push_origin)
    UNION ALL
    SELECT tenant_id, app_id, push_origin, NULL, NULL, at
    FROM notifications_acceptedtally JOIN many USING (app_id, push_origin)
    WHERE at > (SELECT min(at) FROM recent)
), rows AS (
    SELECT *, count(*) FILTER (WHERE device_id IS NULL) OVER (PARTITION BY app_id, push_origin ORDER BY at) AS row
    FROM answers
)
SELECT tenant_id, app_id, push_origin, mode() WITHIN GROUP (ORDER BY reason),
       jsonb_build_object('devices_gone', count(DISTINCT device_id), 'accepted', 0)::text
FROM rows WHERE device_id IS NOT NULL
GROUP BY tenant_id, app_id, push_origin, row
HAVING count(DISTINCT device_id) >= %(devices)s AND max(at) - min(at) >= %(delay)s::interval
  AND NOT EXISTS (
    SELECT FROM notifications_hold told
    WHERE told.app_id = rows.app_id AND told.push_origin = rows.push_origin AND told.outcome = 'gone'
      AND told.released_at > statement_timestamp() - %(believed)s::interval)
"""

LANES_ENSURE: Final = """
INSERT INTO notifications_lane (tenant_id, app_id, delivery_class, push_origin, paused_at, paused_reason)
SELECT %(tenant)s, %(app)s, class, %(origin)s, statement_timestamp(), 'held'
FROM unnest(ARRAY['transactional', 'bulk']) AS class
ON CONFLICT DO NOTHING
"""

# --- Keeping -----------------------------------------------------------------------------------------------------

# The doubtful answers of a hold's (app, origin) that it has not yet taken in, a bounded number. The hold is locked, as
# in DIVERT. Index: suspect_recent.
SUSPECTS_TAKE: Final = """
WITH held AS MATERIALIZED (
    SELECT id FROM notifications_hold WHERE id = %(hold)s AND released_at IS NULL FOR SHARE
), taken AS MATERIALIZED (
    SELECT id FROM notifications_suspectoutcome
    WHERE hold_id IS NULL
      AND app_id = %(app)s AND push_origin = %(origin)s AND kind = %(kind)s AND EXISTS (SELECT FROM held)
    ORDER BY at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE notifications_suspectoutcome suspect SET hold_id = %(hold)s FROM taken WHERE suspect.id = taken.id
RETURNING suspect.delivery_id, suspect.device_id, suspect.token_version
"""

# Their deliveries, ended by the answer, wait in the hold's lane; the attempt does not count. The notifications that are
# to be opened again. Index: the deliveries' key; ids come sorted, the order in which all lock rows.
RESTORE: Final = f"""
WITH ended AS MATERIALIZED (
    SELECT delivery.id, lane.id AS lane_id, n.expires_at
    FROM unnest(%(ids)s::uuid[]) AS suspect (id)
    JOIN notifications_delivery delivery ON delivery.id = suspect.id
    JOIN notifications_lane own ON own.id = delivery.lane_id
    JOIN notifications_lane lane ON lane.tenant_id = own.tenant_id AND lane.app_id = own.app_id
        AND lane.delivery_class = own.delivery_class AND lane.push_origin = %(origin)s
    JOIN notifications_notification n ON n.id = delivery.notification_id
    WHERE delivery.state = ANY (%(ended)s) AND n.cancelled_at IS NULL AND n.expires_at > statement_timestamp()
    ORDER BY delivery.id FOR NO KEY UPDATE OF delivery
), back AS (
    UPDATE notifications_delivery delivery
    SET state = 'queued', lane_id = ended.lane_id, due_at = ended.expires_at, reason = %(reason)s,
        attempt = greatest(delivery.attempt - 1, 0)
    FROM ended WHERE delivery.id = ended.id
    RETURNING delivery.notification_id
), counted AS (
    {moves_insert("back", before="%(state)s::text", after="'queued'")}
)
SELECT DISTINCT notification_id FROM back
"""

# Held deliveries whose time has run out. Their reason says that they were held. Index: delivery_due.
EXPIRE: Final = f"""
WITH due AS MATERIALIZED (
    SELECT id FROM notifications_delivery
    WHERE lane_id = %(held)s AND state = 'queued' AND due_at <= statement_timestamp()
    ORDER BY due_at LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED
), expired AS (
    UPDATE notifications_delivery delivery SET state = 'expired'
    FROM due WHERE delivery.id = due.id RETURNING delivery.notification_id
), counted AS (
    {moves_insert("expired", before="'queued'", after="'expired'")}
)
SELECT count(*) FROM expired
"""

# Released deliveries go back to their own lane, due now. Nothing is passed over: none moved means none is left. The
# reason stays: it is what they waited for, if they expire before their turn comes.
DRAIN: Final = """
WITH back AS MATERIALIZED (
    SELECT id FROM notifications_delivery WHERE lane_id = %(held)s AND state = 'queued'
    ORDER BY due_at LIMIT 5000 FOR NO KEY UPDATE
), moved AS (
    UPDATE notifications_delivery delivery SET lane_id = %(own)s, due_at = statement_timestamp()
    FROM back WHERE delivery.id = back.id RETURNING delivery.id
), signalled AS (
    INSERT INTO notifications_lanewakeup (lane_id, due_at)
    SELECT %(own)s, statement_timestamp() FROM moved HAVING count(*) > 0
)
SELECT count(*) FROM moved
"""

# One held delivery is let through, of a device that was not refused if there is one among the last few hundred.
PROBE: Final = """
WITH held AS (
    SELECT newest.id, newest.device_id, own.id AS own_id
    FROM notifications_lane lane
    JOIN notifications_lane own ON own.tenant_id = lane.tenant_id AND own.app_id = lane.app_id
        AND own.delivery_class = lane.delivery_class AND own.push_origin = ''
    CROSS JOIN LATERAL (
        SELECT delivery.id, delivery.device_id FROM notifications_delivery delivery
        WHERE delivery.lane_id = lane.id AND delivery.state = 'queued' AND delivery.due_at > statement_timestamp()
        ORDER BY delivery.due_at DESC LIMIT 300) AS newest
    WHERE lane.tenant_id = %(tenant)s AND lane.app_id = %(app)s AND lane.push_origin = %(origin)s
), chosen AS MATERIALIZED (
    SELECT held.id, held.own_id FROM held
    ORDER BY EXISTS (SELECT FROM notifications_suspectoutcome suspect
                     WHERE suspect.hold_id = %(hold)s AND suspect.device_id = held.device_id)
    LIMIT 1
), sent AS (
    UPDATE notifications_delivery delivery SET lane_id = chosen.own_id, due_at = statement_timestamp()
    FROM chosen WHERE delivery.id = chosen.id AND delivery.state = 'queued'
    RETURNING delivery.id, chosen.own_id
), signalled AS (
    INSERT INTO notifications_lanewakeup (lane_id, due_at) SELECT own_id, statement_timestamp() FROM sent
)
SELECT id FROM sent
"""

# What was judged for as long as its kind's window is believed, unless its (app, origin) is held: then it is taken in
# first. Index: suspect_recent.
SUSPECTS_PRUNE: Final = """
DELETE FROM notifications_suspectoutcome WHERE id = ANY (ARRAY(
    SELECT id FROM notifications_suspectoutcome suspect
    WHERE hold_id IS NULL
      AND (at < statement_timestamp() - %(refused)s::interval
           OR (kind = 'gone' AND at < statement_timestamp() - %(gone)s::interval))
      AND NOT EXISTS (
        SELECT FROM notifications_hold hold
        WHERE hold.app_id = suspect.app_id AND hold.push_origin = suspect.push_origin AND hold.drained_at IS NULL
          AND hold.released_at IS NULL
          AND hold.kind = CASE suspect.kind WHEN 'gone' THEN 'gone_spike' ELSE 'credentials' END)
    ORDER BY at LIMIT 20000 FOR UPDATE SKIP LOCKED))
"""
