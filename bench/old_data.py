"""Rows of a service that has been used for long: old deliveries of many days, thousands of lanes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from pushhub.embedded.stage import Stage

DAYS = 29  # of past partitions, all within the retention of 30

_DAY = "SELECT pushhub_delivery_partition((now() AT TIME ZONE 'UTC')::date - %(ago)s::int)"

# Broadcasts of 100,000 to the same devices, accepted on that day. Ids are ordered by time, devices by key.
_OLD = """
INSERT INTO notifications_delivery (id, tenant_id, notification_id, device_id, lane_id, generation, attempt, due_at,
                                    accepted_at, state, provider_message_id)
SELECT (lpad(to_hex(millisecond), 12, '0') || '7000' || lpad(to_hex(number), 16, '0'))::uuid, tenant.id,
       (lpad(to_hex(millisecond), 12, '0') || '7000a' || lpad(to_hex(%(ago)s * 1000 + number / 100000), 15, '0'))::uuid,
       number %% 100000, lane.id, 1, 1, moment, moment, 'accepted', ''
FROM (
    SELECT number, to_timestamp(millisecond / 1000.0) AS moment, millisecond
    FROM (
        SELECT number, ((extract(epoch FROM (now() AT TIME ZONE 'UTC')::date - %(ago)s::int) * 1000)::bigint
                        + number / 100000 * 100000) AS millisecond
        FROM generate_series(1, %(count)s::bigint) AS number) AS numbered
) AS old, tenants_tenant tenant, (SELECT min(id) AS id FROM notifications_lane) AS lane
WHERE tenant.slug = %(tenant)s
"""

# Tenants with an app and a lane each. An idle lane has nothing queued; a waiting lane has a delivery for tomorrow.
_LANES = """
WITH owners AS (
    INSERT INTO tenants_tenant
        (id, slug, name, is_active, cors_origins, push_hosts, link_schemes, rate_limits, created_at)
    SELECT gen_random_uuid(), 'old-data-' || number, '', true, '{}', '{}', '{}', '{}', now()
    FROM generate_series(1, %(count)s) AS number
    RETURNING id
), apps AS (
    INSERT INTO devices_app (id, tenant_id, name, provider, platform_application_arn, sns_platform, account_id, region,
                             credential_kind, role_arn, parameter_name, event_topic_arn, version, state, state_reason,
                             created_at, updated_at)
    SELECT gen_random_uuid(), id, 'web', 'webpush', '', '', '', '', 'none', '', '', '', 1, 'active', '', now(), now()
    FROM owners
    RETURNING id, tenant_id
)
INSERT INTO notifications_lane (tenant_id, app_id, delivery_class, next_due_at, paused_reason)
SELECT tenant_id, id, 'transactional', CASE WHEN %(waiting)s THEN now() + interval '1 day' END, '' FROM apps
"""
_LANES_DELETE = (
    "DELETE FROM notifications_lane USING tenants_tenant owner WHERE owner.id = tenant_id AND slug LIKE 'old-data-%'",
    "DELETE FROM devices_app USING tenants_tenant owner WHERE owner.id = tenant_id AND slug LIKE 'old-data-%'",
    "DELETE FROM tenants_tenant WHERE slug LIKE 'old-data-%'",
)


def days_make(running: Stage) -> None:
    """Make the empty partitions of the past days."""
    with _database(running) as connection:
        for ago in range(1, DAYS + 1):
            connection.execute(_DAY, {"ago": ago})


def deliveries_make(running: Stage, count: int) -> None:
    """Make settled deliveries, spread over the past days, then vacuum and analyse the table."""
    with _database(running) as connection:
        for ago in range(DAYS, 0, -1):
            print(f"  {count:,} old deliveries: {ago} days to go", file=sys.stderr, flush=True)
            connection.execute(_OLD, {"ago": ago, "count": count // DAYS, "tenant": running.tenant})
        connection.execute("VACUUM (ANALYZE) notifications_delivery")


def deliveries_size(running: Stage) -> tuple[int, int]:
    """Bytes of the past days' partitions, with and without their indexes."""
    with _database(running) as connection:
        sizes = "sum(pg_total_relation_size(inhrelid)), sum(pg_table_size(inhrelid))"
        parent = "inhparent = 'notifications_delivery'::regclass"
        row = connection.execute(f"SELECT {sizes} FROM pg_inherits WHERE {parent}").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


@contextmanager
def lanes(running: Stage, count: int, *, waiting: bool = False) -> Iterator[None]:
    with _database(running) as connection:
        connection.execute(_LANES, {"count": count, "waiting": waiting})
        connection.execute("VACUUM (ANALYZE) notifications_lane")
        yield
        for statement in _LANES_DELETE:
            connection.execute(statement)


@contextmanager
def _database(running: Stage) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(running.cluster.postgres.url(), autocommit=True) as connection:
        yield connection
