"""The statements with locks; those of provisioning are in `devices.provisioning.sql`. Times are the database's:
workers' clocks may differ.

All code takes locks in one order, so that there are no deadlocks: the user's row, advisory locks by number, then device
rows by id. Statements for many rows lock them `ORDER BY id` before they write.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from pushhub.kernel.database import statement_run


def lock_number(*parts: bytes) -> int:
    """The number of an advisory lock, as PostgreSQL's bigint. Two names with the same number wait for each other."""
    return int.from_bytes(hashlib.sha256(b"\0".join(parts)).digest()[:8], signed=True)


def user_row_lock(user_pk: int | None) -> None:
    """The foreign key would lock the user's row later, after the device's row: an erasure locks in the other order."""
    if user_pk is not None:
        statement_run("SELECT 1 FROM tenants_enduser WHERE id = %(id)s::bigint FOR KEY SHARE", {"id": user_pk})


# Indexes: device_device_id and device_endpoint_hash.
_ROWS_LOCK = """
SELECT id FROM devices_device
 WHERE deleted_at IS NULL AND tenant_id = %(tenant)s
   AND (device_id = %(device)s OR (app_id = %(app)s AND endpoint_hash = %(hash)s))
 ORDER BY id FOR NO KEY UPDATE
"""


def device_rows_lock(
    *, tenant_id: UUID, app_id: UUID, device_id: UUID, endpoint_hash: bytes, user_pk: int | None
) -> list[int]:
    """Lock the rows of this device and of this token; registrations of the same device or token wait for each other.
    Their ids.

    The advisory locks serialise registrations of a device or token that has no row yet.
    """
    user_row_lock(user_pk)
    numbers = sorted(
        [
            lock_number(b"device", tenant_id.bytes, device_id.bytes),
            lock_number(b"endpoint", tenant_id.bytes, app_id.bytes, endpoint_hash),
        ]
    )
    statement_run(
        "SELECT pg_advisory_xact_lock(number) FROM unnest(%(numbers)s::bigint[]) number", {"numbers": numbers}
    )
    rows = statement_run(_ROWS_LOCK, {"tenant": tenant_id, "device": device_id, "app": app_id, "hash": endpoint_hash})
    return [pk for (pk,) in rows]


_ENDPOINTS_CHANGE = """
UPDATE devices_device device
   SET endpoint_state = %(state)s, endpoint_reason = %(reason)s, provision_due_at = NULL,
       endpoint_changed_at = statement_timestamp(), updated_at = statement_timestamp()
  FROM (SELECT id FROM devices_device
         WHERE (id, token_version) IN (SELECT * FROM unnest(%(ids)s::bigint[], %(versions)s::int[]))
           AND deleted_at IS NULL AND endpoint_state = ANY (%(before)s)
         ORDER BY id FOR NO KEY UPDATE) locked
 WHERE device.id = locked.id
RETURNING device.id, device.tenant_id, device.device_id
"""


def endpoints_change(
    cursor: CursorWrapper, *, rows: Iterable[tuple[int, int]], before: Iterable[str], state: str, reason: str
) -> list[tuple[int, UUID, UUID]]:
    """Change these endpoints to `state`, each only with that token version and from a state of `before`. The (id,
    tenant id, device id) of those that changed."""
    pairs = list(rows)
    cursor.execute(
        _ENDPOINTS_CHANGE,
        {
            "before": list(before),
            "state": state,
            "reason": reason,
            "ids": [pair[0] for pair in pairs],
            "versions": [pair[1] for pair in pairs],
        },
    )
    return list(cursor.fetchall())


@dataclass(frozen=True, slots=True, kw_only=True)
class AppToVerify:
    id: UUID
    version: int


# Moving the due time ahead is the lease: if the worker dies, the app is due again a minute later. A repair outside of
# pushhub (a parameter, a role's policy) is only seen with a new version, because caches are keyed by it.
_APPS_TO_VERIFY = """
UPDATE devices_app
   SET verify_due_at = statement_timestamp() + interval '1 minute',
       version = version + CASE WHEN state = 'misconfigured' THEN 1 ELSE 0 END
 WHERE id IN (SELECT id FROM devices_app WHERE verify_due_at <= statement_timestamp()
               ORDER BY verify_due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, version
"""


def apps_to_verify_claim(cursor: CursorWrapper, *, limit: int) -> list[AppToVerify]:
    cursor.execute(_APPS_TO_VERIFY, [limit])
    names = AppToVerify.__dataclass_fields__
    return [AppToVerify(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


# The tenant's own number of days, else the installation's; 0: never.
_UNSEEN = """
SELECT device.id
  FROM devices_device device
  JOIN (SELECT id, coalesce(device_retire_days, %(days)s) AS days FROM tenants_tenant) tenant
    ON tenant.id = device.tenant_id
 WHERE device.deleted_at IS NULL
   AND device.last_seen_at < statement_timestamp() - interval '1 day'
       * (SELECT least(nullif(%(days)s, 0), min(nullif(device_retire_days, 0))) FROM tenants_tenant)
   AND tenant.days > 0 AND device.last_seen_at < statement_timestamp() - tenant.days * interval '1 day'
 ORDER BY device.last_seen_at
 LIMIT %(limit)s
   FOR NO KEY UPDATE OF device SKIP LOCKED
"""


def devices_unseen_lock(cursor: CursorWrapper, *, days: int, limit: int) -> list[int]:
    cursor.execute(_UNSEEN, {"days": days, "limit": limit})
    return [row[0] for row in cursor.fetchall()]


_CONFIRMATIONS = """
UPDATE devices_callbackreceipt
   SET confirm_attempts = confirm_attempts + 1,
       confirm_due_at = CASE WHEN confirm_attempts + 1 < %(attempts)s
                             THEN statement_timestamp() + interval '10 seconds' * 2 ^ confirm_attempts END
 WHERE id IN (SELECT id FROM devices_callbackreceipt WHERE confirm_due_at <= statement_timestamp()
               ORDER BY confirm_due_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


def confirmations_claim(cursor: CursorWrapper, *, limit: int, attempts: int) -> list[int]:
    """Due confirmations, each due again later unless it was the last attempt."""
    cursor.execute(_CONFIRMATIONS, {"limit": limit, "attempts": attempts})
    return [row[0] for row in cursor.fetchall()]
