"""The statements of holds. Without holds a worker runs two of them a second, each a few µs.

Rules of the statements: see `notifications.engine.sql`.
"""

# ruff: noqa: S608 - the parts put together are constants; every value is a parameter

from typing import Final

from notifications.counts import moves_insert

# --- Workers -----------------------------------------------------------------------------------------------------

# Index: hold_key, which has only holds that are not drained.
HOLD_LIST_OPEN: Final = """
SELECT app_id, push_origin, id, probe_id FROM notifications_hold WHERE drained_at IS NULL AND released_at IS NULL
"""

TALLIES_APPEND: Final = """
INSERT INTO notifications_acceptedtally (tenant_id, app_id, push_origin, accepted)
SELECT app.tenant_id, app.id, tally.origin, tally.accepted
FROM unnest(%(apps)s::uuid[], %(origins)s::text[], %(accepted)s::int[]) AS tally (app, origin, accepted)
JOIN devices_app app ON app.id = tally.app
"""

# Move claimed deliveries of a held (app, origin) to the hold's lane, due when they expire. The hold is locked, so that
# it is not released before this statement commits: a delivery that arrives after the lane was drained would stay there.
DIVERT: Final = """
WITH locked AS MATERIALIZED (
    SELECT id, push_origin FROM notifications_hold WHERE id = ANY (%(holds)s) AND released_at IS NULL FOR SHARE
)
UPDATE notifications_delivery delivery
SET state = 'queued', lane_id = lane.id, due_at = n.expires_at, reason = %(reason)s, lease = NULL,
    lease_expires_at = NULL
FROM unnest(%(ids)s::uuid[], %(leases)s::uuid[], %(hold_of)s::uuid[]) AS claimed (id, lease, hold_id)
JOIN locked ON locked.id = claimed.hold_id,
    notifications_lane own, notifications_lane lane, notifications_notification n
WHERE delivery.id = claimed.id AND delivery.lease = claimed.lease AND delivery.state = ANY (%(claimed)s)
  AND own.id = delivery.lane_id AND lane.tenant_id = own.tenant_id AND lane.app_id = own.app_id
  AND lane.delivery_class = own.delivery_class AND lane.push_origin = locked.push_origin
  AND n.id = delivery.notification_id
RETURNING delivery.id
"""

# --- Detection ---------------------------------------------------------------------------------------------------
#
# Detection reads all suspect outcomes that belong to no hold. SUSPECTS_PRUNE runs afterwards and keeps those of a
# window. So outcomes from a time when upkeep did not run are examined too, however long that time was.

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

# Most outcomes are "gone". A device counts once: its later deliveries end without being sent. Not for some time after
# an operator has confirmed a gone spike.
GONE: Final = """
WITH many AS (
    SELECT tenant_id, app_id, push_origin, mode() WITHIN GROUP (ORDER BY reason) AS reason,
           count(DISTINCT device_id) AS gone, min(at) AS since
    FROM notifications_suspectoutcome WHERE hold_id IS NULL AND kind = 'gone'
    GROUP BY tenant_id, app_id, push_origin HAVING count(DISTINCT device_id) >= %(devices)s
), counted AS (
    SELECT many.*, coalesce((
        SELECT sum(tally.accepted) FROM notifications_acceptedtally tally
        WHERE tally.app_id = many.app_id AND tally.push_origin = many.push_origin
          AND tally.at > least(many.since, statement_timestamp() - %(window)s::interval)), 0) AS accepted
    FROM many
)
SELECT tenant_id, app_id, push_origin, reason,
       jsonb_build_object('devices_gone', gone, 'accepted', accepted)::text
FROM counted
WHERE gone >= %(share)s::float8 * (gone + accepted) AND since < statement_timestamp() - %(delay)s::interval
  AND NOT EXISTS (
    SELECT FROM notifications_hold confirmed
    WHERE confirmed.app_id = counted.app_id AND confirmed.push_origin = counted.push_origin
      AND confirmed.outcome = 'gone'
      AND confirmed.released_at > statement_timestamp() - %(believed)s::interval)
"""

# Many devices gone in a row, without a success in between: a burst in a steady flow, which is too short to be most of
# the window and may have ended already. Index: suspect_recent, then accepted_tally; sorted, and so only for an (app,
# origin) with as many.
GONE_IN_A_ROW: Final = """
WITH recent AS MATERIALIZED (
    SELECT tenant_id, app_id, push_origin, reason, device_id, at FROM notifications_suspectoutcome
    WHERE hold_id IS NULL AND kind = 'gone'
), many AS (
    SELECT app_id, push_origin FROM recent GROUP BY app_id, push_origin HAVING count(*) >= %(devices)s
), outcomes AS (
    SELECT tenant_id, app_id, push_origin, reason, device_id, at FROM recent JOIN many USING (app_id, push_origin)
    UNION ALL
    SELECT tenant_id, app_id, push_origin, NULL, NULL, at
    FROM notifications_acceptedtally JOIN many USING (app_id, push_origin)
    WHERE at > (SELECT min(at) FROM recent)
), runs AS (
    SELECT *, count(*) FILTER (WHERE device_id IS NULL) OVER (PARTITION BY app_id, push_origin ORDER BY at) AS run
    FROM outcomes
)
SELECT tenant_id, app_id, push_origin, mode() WITHIN GROUP (ORDER BY reason),
       jsonb_build_object('devices_gone', count(DISTINCT device_id), 'accepted', 0)::text
FROM runs WHERE device_id IS NOT NULL
GROUP BY tenant_id, app_id, push_origin, run
HAVING count(DISTINCT device_id) >= %(devices)s AND max(at) - min(at) >= %(delay)s::interval
  AND NOT EXISTS (
    SELECT FROM notifications_hold confirmed
    WHERE confirmed.app_id = runs.app_id AND confirmed.push_origin = runs.push_origin AND confirmed.outcome = 'gone'
      AND confirmed.released_at > statement_timestamp() - %(believed)s::interval)
"""

LANES_ENSURE: Final = """
INSERT INTO notifications_lane (tenant_id, app_id, delivery_class, push_origin, paused_at, paused_reason)
SELECT %(tenant)s, %(app)s, class, %(origin)s, statement_timestamp(), 'held'
FROM unnest(ARRAY['transactional', 'bulk']) AS class
ON CONFLICT DO NOTHING
"""

# --- Maintenance -------------------------------------------------------------------------------------------------

# Take the suspect outcomes of its (app, origin) into a hold, a bounded number. The hold is locked, as in DIVERT. Index:
# suspect_recent.
SUSPECTS_TAKE: Final = """
WITH locked AS MATERIALIZED (
    SELECT id FROM notifications_hold WHERE id = %(hold)s AND released_at IS NULL FOR SHARE
), taken AS MATERIALIZED (
    SELECT id FROM notifications_suspectoutcome
    WHERE hold_id IS NULL
      AND app_id = %(app)s AND push_origin = %(origin)s AND kind = %(kind)s AND EXISTS (SELECT FROM locked)
    ORDER BY at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE notifications_suspectoutcome suspect SET hold_id = %(hold)s FROM taken WHERE suspect.id = taken.id
RETURNING suspect.delivery_id, suspect.device_id, suspect.token_version
"""

# Queue the deliveries that these outcomes ended again, in the hold's lane; the attempt does not count. Returns the
# notifications to reopen. Index: the deliveries' key; the ids are sorted, the order in which all statements lock rows.
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

# End held deliveries that have expired. Their reason says that they were held. Index: delivery_due.
EXPIRE: Final = f"""
WITH due AS MATERIALIZED (
    SELECT id FROM notifications_delivery
    WHERE lane_id = %(hold_lane)s AND state = 'queued' AND due_at <= statement_timestamp()
    ORDER BY due_at LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED
), expired AS (
    UPDATE notifications_delivery delivery SET state = 'expired'
    FROM due WHERE delivery.id = due.id RETURNING delivery.notification_id
), counted AS (
    {moves_insert("expired", before="'queued'", after="'expired'")}
)
SELECT count(*) FROM expired
"""

# Released deliveries go back to their own lane, due now. No locked row is skipped: none moved means that none is left.
# The reason stays: it is what they waited for, if they expire before they are claimed.
DRAIN: Final = """
WITH back AS MATERIALIZED (
    SELECT id FROM notifications_delivery WHERE lane_id = %(hold_lane)s AND state = 'queued'
    ORDER BY due_at LIMIT 5000 FOR NO KEY UPDATE
), moved AS (
    UPDATE notifications_delivery delivery SET lane_id = %(own)s, due_at = statement_timestamp()
    FROM back WHERE delivery.id = back.id RETURNING delivery.id
), wakeups AS (
    INSERT INTO notifications_lanewakeup (lane_id, due_at)
    SELECT %(own)s, statement_timestamp() FROM moved HAVING count(*) > 0
)
SELECT count(*) FROM moved
"""

# Send one held delivery as a probe: of a device that was not refused, if there is one among the last few hundred.
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
), wakeups AS (
    INSERT INTO notifications_lanewakeup (lane_id, due_at) SELECT own_id, statement_timestamp() FROM sent
)
SELECT id FROM sent
"""

# Forget suspect outcomes that are older than the window of their kind, unless their (app, origin) is held: the hold
# takes them in first. Index: suspect_recent.
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
