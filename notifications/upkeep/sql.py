"""The statements that keep deliveries, counts and notifications true; what `sql` says of its own holds for these."""

# ruff: noqa: S608 - the parts put together are constants; every value is a parameter

from typing import Final

from notifications.counts import moves_insert

# Deliveries whose holder did not settle in time go back, or end when that happened too often. Index: delivery_leased.
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
), signalled AS (
    INSERT INTO notifications_lanewakeup (lane_id, due_at)
    SELECT DISTINCT lane_id, statement_timestamp() FROM released WHERE state = 'queued'
), counted AS (
    {moves_insert("released WHERE state = 'dead'", before="'queued'", after="'dead'")}
)
SELECT count(*) FROM released
"""

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

# The reason tells what an expired delivery waited for: as stored, else what kept its lane from being claimed.
SWEEP_EXPIRED: Final = _sweep("""coalesce(nullif(delivery.reason, ''), (
        SELECT CASE WHEN lane.paused_at IS NOT NULL THEN %(lane_paused)s
                    WHEN app.state = 'disabled' THEN %(app_disabled)s
                    WHEN app.state <> 'active' THEN %(app_unavailable)s END
        FROM notifications_lane lane JOIN devices_app app ON app.id = lane.app_id
        WHERE lane.id = delivery.lane_id), %(reason)s)""")
