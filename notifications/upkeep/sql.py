"""The statements of upkeep. Rules of the statements: see `notifications.engine.sql`."""

# ruff: noqa: S608 - the parts put together are constants; every value is a parameter

from typing import Final

from notifications.counts import moves_insert

# Deliveries whose lease has expired are queued again, or end when that happened too often. Index: delivery_leased.
LEASES_RELEASE: Final = f"""
WITH lost AS MATERIALIZED (
    SELECT id FROM notifications_delivery
    WHERE state = 'sending' AND lease_expires_at < statement_timestamp()
    ORDER BY lease_expires_at LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED
), released AS (
    UPDATE notifications_delivery delivery
    SET state = CASE WHEN delivery.lost_leases >= %(cap)s THEN 'dead' ELSE 'queued' END,
        reason = CASE WHEN delivery.lost_leases >= %(cap)s THEN %(reason)s ELSE delivery.reason END,
        lost_leases = delivery.lost_leases + 1, lease = NULL, lease_expires_at = NULL, due_at = statement_timestamp()
    FROM lost WHERE delivery.id = lost.id
    RETURNING delivery.lane_id, delivery.notification_id, delivery.state
), wakeups AS (
    INSERT INTO notifications_lanewakeup (lane_id, due_at)
    SELECT DISTINCT lane_id, statement_timestamp() FROM released WHERE state = 'queued'
), counted AS (
    {moves_insert("released WHERE state = 'dead'", before="'queued'", after="'dead'")}
)
SELECT count(*) FROM released
"""

# Notifications whose deliveries are all counted and none is open. The expansion keeps `total` on the same row, so that
# the counts of a chunk that has just committed are not missed. A locked notification is skipped: its transaction may be
# reopening it. Index: notification_open.
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

# End the expansion of cancelled notifications; those that are not completed are swept. Index: notification_cancelled.
CANCELLED: Final = """
WITH closed AS (
    UPDATE notifications_notification
    SET expanded_at = coalesce(expanded_at, statement_timestamp()), expansion_due_at = NULL
    WHERE completed_at IS NULL AND cancelled_at IS NOT NULL AND (expanded_at IS NULL OR expansion_due_at IS NOT NULL)
)
SELECT id FROM notifications_notification WHERE completed_at IS NULL AND cancelled_at IS NOT NULL
"""

# Expired notifications with deliveries that no worker claims, because their app does not work or was deleted, or
# because their lane is paused. Some time after they expired, because claims end most of them. Index: notification_open.
EXPIRED: Final = """
SELECT id FROM notifications_notification
WHERE completed_at IS NULL AND expanded_at IS NOT NULL AND cancelled_at IS NULL
  AND expires_at < statement_timestamp() - interval '1 minute'
"""


def _sweep(reason: str) -> str:
    """End a notification's queued deliveries, a bounded number at a time from an id on. Index: delivery_notification.

    Only constants of this module are `reason`s.
    """
    return f"""
WITH open AS MATERIALIZED (
    SELECT id FROM notifications_delivery
    WHERE notification_id = %(notification)s AND id > %(after)s AND state = 'queued'
    ORDER BY id LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED
), swept AS (
    UPDATE notifications_delivery delivery SET state = %(state)s, reason = {reason}
    FROM open WHERE delivery.id = open.id RETURNING delivery.notification_id
), counted AS (
    {moves_insert("swept", before="'queued'", after="%(state)s::text")}
)
SELECT id FROM open ORDER BY id DESC LIMIT 1
"""


SWEEP_CANCELLED: Final = _sweep("%(reason)s")

# The reason says what an expired delivery waited for: as stored, otherwise what prevented claims of its lane.
SWEEP_EXPIRED: Final = _sweep("""coalesce(nullif(delivery.reason, ''), (
        SELECT CASE WHEN lane.paused_at IS NOT NULL THEN %(lane_paused)s
                    WHEN app.state = 'disabled' THEN %(app_disabled)s
                    WHEN app.state <> 'active' THEN %(app_unavailable)s END
        FROM notifications_lane lane JOIN devices_app app ON app.id = lane.app_id
        WHERE lane.id = delivery.lane_id), %(reason)s)""")
