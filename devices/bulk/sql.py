"""The set-based statements of imports, and the queue of jobs.

Rows are sent as one JSON array: the cheapest way to send a thousand rows of thirty columns from Python. Locks are taken
in the common order (devices/sql.py): users, then device rows by id.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from devices.bulk.models import Job, JobChunk
from devices.models import Device
from pushhub.kernel.database import columns, row_build, statement_run

LEASE = timedelta(
    seconds=20
)  # renewed with every batch, which takes less than a second; after a kill the job waits this long


def statistics_refresh(cursor: CursorWrapper, *, grown_by: int) -> None:
    """Analyse a table that an import has made many times larger, as often as it doubles. Until autovacuum does it, a
    minute later, PostgreSQL would plan look-ups by id as scans of all devices of the tenant."""
    cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'devices_device'::regclass")
    if grown_by > 2 * max(0, cursor.fetchone()[0]):
        cursor.execute("ANALYZE devices_device")
        cursor.execute("ANALYZE tenants_enduser")


_CHUNK_INSERT = """
INSERT INTO devices_jobchunk (tenant_id, job_id, number, first_line, data_sealed)
VALUES (%(tenant)s, %(job)s, %(number)s, %(first_line)s, %(data)s)
"""


def chunk_insert(*, job: Job, number: int, data_sealed: bytes, first_line: int = 1) -> None:
    """In binary: as text a megabyte becomes two, and converting the hexadecimal digits takes most of the time."""
    values: dict[str, Any] = {"tenant": job.tenant_id, "job": job.id, "number": number, "first_line": first_line}
    statement_run(_CHUNK_INSERT, values | {"data": data_sealed})


_CHUNK = """
SELECT {chunk} FROM devices_jobchunk chunk WHERE tenant_id = %(tenant)s AND job_id = %(job)s AND number = %(number)s
"""


def chunk_find(*, tenant_id: UUID, job_id: UUID, number: int) -> JobChunk | None:
    rows = statement_run(
        _CHUNK.format(chunk=columns(JobChunk, "chunk")), {"tenant": tenant_id, "job": job_id, "number": number}
    )
    return row_build(JobChunk, rows[0])[0] if rows else None


# Two scans of the unique indexes, each by an array. A device of another app with an equal token may be locked as well;
# the caller compares the app.
_LOCK = """
SELECT {device} FROM devices_device device WHERE deleted_at IS NULL AND id IN (
    SELECT id FROM devices_device
     WHERE tenant_id = %(tenant)s AND deleted_at IS NULL
       AND device_id = ANY(ARRAY(SELECT json_array_elements_text(%(devices)s::json)::uuid))
    UNION
    SELECT id FROM devices_device
     WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND endpoint_hash IS NOT NULL
       AND app_id = ANY(%(apps)s)
       AND endpoint_hash = ANY(ARRAY(SELECT json_array_elements_text(%(hashes)s::json)::bytea)))
 ORDER BY id FOR NO KEY UPDATE
"""


def devices_lock(
    *, tenant_id: UUID, devices: Iterable[str], apps: Iterable[UUID], hashes: Iterable[str]
) -> list[Device]:
    """The live devices with one of these ids or tokens, locked. `hashes` in PostgreSQL's text form of bytea."""
    values: dict[str, Any] = {
        "tenant": tenant_id,
        "devices": json.dumps(list(devices)),
        "apps": list(apps),
        "hashes": json.dumps(list(hashes)),
    }
    rows = statement_run(_LOCK.format(device=columns(Device, "device")), values, plan_kept=False)
    return [row_build(Device, row)[0] for row in rows]


# An import answers no device_secret. The empty hash matches no secret, and makes the device's own first PUT answer one.
_INSERT = """
WITH made AS (
INSERT INTO devices_device (
    tenant_id, device_id, app_id, user_id, generation, mapping_id, secret_hash, platform, endpoint_sealed,
    endpoint_hash, endpoint_state, endpoint_reason, push_origin, vapid_key_id, endpoint_arn, token_version,
    provision_due_at, provision_attempts, locale, timezone, app_version, os_version, attributes, tags,
    created_at, updated_at)
SELECT %(tenant)s, device_id, app_id, user_id, 1, gen_random_uuid(), '', platform, endpoint_sealed,
       endpoint_hash, endpoint_state, '', push_origin, vapid_key_id, '', 1,
       CASE WHEN endpoint_state = 'pending' THEN statement_timestamp() END, 0,
       locale, timezone, app_version, os_version, attributes, tags, statement_timestamp(), statement_timestamp()
  FROM json_to_recordset(%(rows)s::json) AS row (
    device_id uuid, app_id uuid, user_id bigint, platform text, endpoint_sealed bytea, endpoint_hash bytea,
    endpoint_state text, push_origin text, vapid_key_id uuid, locale text, timezone text, app_version text,
    os_version text, attributes jsonb, tags text[])
ON CONFLICT DO NOTHING RETURNING 1)
SELECT count(*) FROM made
"""


def devices_insert(*, tenant_id: UUID, rows: Sequence[dict[str, Any]]) -> int:
    """How many were inserted. Fewer than given when another registration took one of the devices or tokens since."""
    values = {"tenant": tenant_id, "rows": json.dumps(rows, ensure_ascii=False)}
    return int(statement_run(_INSERT, values, plan_kept=False)[0][0])


# The rows are locked: they still have the values that were read.
_UPDATE = """
UPDATE devices_device device
   SET user_id = row.user_id, generation = row.generation, mapping_id = row.mapping_id,
       endpoint_sealed = row.endpoint_sealed, endpoint_hash = row.endpoint_hash,
       endpoint_state = row.endpoint_state, endpoint_reason = row.endpoint_reason,
       endpoint_changed_at = row.endpoint_changed_at, push_origin = row.push_origin,
       vapid_key_id = row.vapid_key_id, token_version = row.token_version,
       provision_due_at = row.provision_due_at, provision_attempts = row.provision_attempts,
       locale = row.locale, timezone = row.timezone, app_version = row.app_version, os_version = row.os_version,
       attributes = row.attributes, tags = row.tags,
       updated_at = statement_timestamp(), last_seen_at = statement_timestamp()
  FROM json_to_recordset(%(rows)s::json) AS row (
    id bigint, user_id bigint, generation int, mapping_id uuid, endpoint_sealed bytea, endpoint_hash bytea,
    endpoint_state text, endpoint_reason text, endpoint_changed_at timestamptz, push_origin text, vapid_key_id uuid,
    token_version int, provision_due_at timestamptz, provision_attempts int, locale text, timezone text,
    app_version text, os_version text, attributes jsonb, tags text[])
 WHERE device.id = row.id
"""


def devices_update(*, rows: Sequence[dict[str, Any]]) -> None:
    statement_run(_UPDATE, {"rows": json.dumps(rows, ensure_ascii=False)}, plan_kept=False)


def database_time() -> datetime:
    """The database's clock: hosts' clocks differ, and due times are compared with this one."""
    now: datetime = statement_run("SELECT statement_timestamp()", {})[0][0]
    return now


_SEEN = "UPDATE devices_device SET last_seen_at = statement_timestamp() WHERE id = ANY(%(ids)s::bigint[])"


def devices_seen(*, ids: Sequence[int]) -> None:
    statement_run(_SEEN, {"ids": list(ids)}, plan_kept=False)


# A tenant's jobs run one after another, in their order. Among tenants, the one that was served longest ago is next.
_CLAIM = """
UPDATE devices_job job
   SET state = 'running', lease = gen_random_uuid(), lease_expires_at = statement_timestamp() + %(lease)s::interval,
       served_at = clock_timestamp(), started_at = coalesce(started_at, statement_timestamp())
 WHERE id = (
    SELECT job.id
      FROM devices_job job
     WHERE job.state IN ('queued', 'running')
       AND (job.lease IS NULL OR job.lease_expires_at < statement_timestamp())
       AND NOT EXISTS (SELECT 1 FROM devices_job earlier
                        WHERE earlier.tenant_id = job.tenant_id AND earlier.id < job.id
                          AND earlier.state IN ('queued', 'running'))
     ORDER BY (SELECT max(served_at) FROM devices_job served WHERE served.tenant_id = job.tenant_id) NULLS FIRST, job.id
     LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, lease
"""


def job_claim(cursor: CursorWrapper) -> tuple[UUID, UUID] | None:
    """The (id, lease) of the job that is due."""
    values: dict[str, Any] = {"lease": LEASE}
    cursor.execute(_CLAIM, values)
    row = cursor.fetchone()
    return None if row is None else (row[0], row[1])


def job_lease_renew(cursor: CursorWrapper, *, job_id: UUID, lease: UUID) -> bool:
    """Lock the job and renew its lease. False if the job was cancelled or another worker has it."""
    values: list[Any] = [LEASE, job_id, lease]
    cursor.execute(
        "UPDATE devices_job SET lease_expires_at = statement_timestamp() + %s::interval "
        "WHERE id = %s AND lease = %s AND state = 'running'",
        values,
    )
    return bool(cursor.rowcount == 1)


def job_release(cursor: CursorWrapper, *, job_id: UUID, lease: UUID) -> bool:
    """End the lease, so that another worker may continue. False if the lease is lost."""
    cursor.execute(
        "UPDATE devices_job SET lease = NULL, lease_expires_at = NULL, served_at = clock_timestamp() "
        "WHERE id = %s AND lease = %s",
        [job_id, lease],
    )
    return bool(cursor.rowcount == 1)


def host_slot_take(cursor: CursorWrapper, *, host: str, slots: int) -> bool:
    """Take one of the host's slots until this session ends. False if all are taken."""
    for slot in range(slots):
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s), %s)", [f"devices.bulk {host}", slot])
        if cursor.fetchone() == (True,):
            return True
    return False


def host_slot_free(cursor: CursorWrapper) -> None:
    """At once: PostgreSQL frees the locks of a closed session a moment later, and a worker that is woken in that moment
    would find no free slot."""
    cursor.execute("SELECT pg_advisory_unlock_all()")
