"""The statements where locks and races are decided. Times are the database's own: workers' clocks may differ.

Locks are taken in one order everywhere, so that nothing waits in a circle: the user's row, advisory locks by number,
then device rows by id. Bulk statements lock their rows `ORDER BY id` before they write.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from pushhub.database import statement_run

LEASE = timedelta(seconds=120)  # outlives a batch whose every call runs into its timeouts, and its settle
PAUSED_AGAIN = timedelta(minutes=10)  # how often rows of a paused app are looked at


def lock_number(*parts: bytes) -> int:
    """The advisory lock of a thing, as PostgreSQL's bigint. A collision only makes two things wait for each other."""
    return int.from_bytes(hashlib.sha256(b"\0".join(parts)).digest()[:8], signed=True)


def user_row_lock(user_pk: int | None) -> None:
    """The foreign key would lock the user's row later, after the device's: against the order of an erasure."""
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
    """Make registrations of this device, and of this token, wait for one another; the rows they concern, locked.

    The advisory locks are what serialises registrations of a device or token that has no row yet.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A device whose endpoint is to be brought in line. `endpoint_arn` is what we know of; "" = none yet."""

    id: int
    tenant_id: UUID
    app_id: UUID
    device_id: UUID
    endpoint_sealed: bytes | None = field(repr=False)
    endpoint_arn: str = field(repr=False)
    token_version: int
    attempts: int
    deleted: bool
    lease: UUID
    app_version: int
    account_id: str
    region: str
    platform_application_arn: str
    sns_platform: str


# One claim at a time (the lock is held for milliseconds): a tombstone and the live device that brought its token again
# must each see the other's lease, or DeleteEndpoint would race the CreatePlatformEndpoint that answers the same ARN.
_CLAIM_LOCK = "SELECT pg_advisory_xact_lock(%s)"

_HAND_OVER = """
WITH pair AS (
    SELECT dead.id AS dead_id, live.id AS live_id, dead.endpoint_arn
      FROM devices_device dead
      JOIN devices_device live
        ON live.tenant_id = dead.tenant_id AND live.app_id = dead.app_id AND live.endpoint_hash = dead.endpoint_hash
       AND live.deleted_at IS NULL AND live.endpoint_arn IN ('', dead.endpoint_arn)
     WHERE dead.deleted_at IS NOT NULL AND dead.provision_due_at <= statement_timestamp()
       AND (dead.provision_lease IS NULL OR dead.provision_lease_expires_at < statement_timestamp())
     LIMIT %(limit)s
), given AS (
    UPDATE devices_device live SET endpoint_arn = pair.endpoint_arn
      FROM pair WHERE live.id = pair.live_id AND live.endpoint_arn = '' AND live.provision_lease IS NULL
)
UPDATE devices_device dead
   SET endpoint_arn = '', endpoint_hash = NULL, endpoint_sealed = NULL, provision_due_at = NULL, provision_lease = NULL
  FROM pair WHERE dead.id = pair.dead_id
"""

_CLAIM = """
WITH due AS (
    SELECT device.id, app.state = 'active' AS usable
      FROM devices_device device JOIN devices_app app ON app.id = device.app_id
     WHERE device.provision_due_at <= statement_timestamp()
       AND (device.provision_lease IS NULL OR device.provision_lease_expires_at < statement_timestamp())
       AND NOT (device.deleted_at IS NULL AND device.endpoint_hash IS NOT NULL AND EXISTS (
             SELECT 1 FROM devices_device dead
              WHERE dead.tenant_id = device.tenant_id AND dead.app_id = device.app_id
                AND dead.endpoint_hash = device.endpoint_hash AND dead.deleted_at IS NOT NULL
                AND dead.provision_due_at IS NOT NULL AND dead.provision_lease_expires_at > statement_timestamp()))
     ORDER BY device.provision_due_at
     LIMIT %(limit)s
       FOR NO KEY UPDATE OF device SKIP LOCKED
), claimed AS (
    UPDATE devices_device device
       SET provision_lease = CASE WHEN due.usable THEN gen_random_uuid() END,
           provision_lease_expires_at = CASE WHEN due.usable THEN statement_timestamp() + %(lease)s::interval END,
           provision_due_at = statement_timestamp()
               + CASE WHEN due.usable THEN %(lease)s::interval ELSE %(paused)s::interval END
      FROM due WHERE device.id = due.id
 RETURNING device.*
)
SELECT claimed.id, claimed.tenant_id, claimed.app_id, claimed.device_id, claimed.endpoint_sealed, claimed.endpoint_arn,
       claimed.token_version, claimed.provision_attempts, claimed.deleted_at IS NOT NULL, claimed.provision_lease,
       app.version, app.account_id, app.region, app.platform_application_arn,
       app.sns_platform
  FROM claimed JOIN devices_app app ON app.id = claimed.app_id
 WHERE claimed.provision_lease IS NOT NULL
 ORDER BY claimed.id
"""


def provision_claim(cursor: CursorWrapper, *, limit: int) -> list[Claimed]:
    """Up to `limit` due devices, each under a lease of its own. Rows of paused apps are put off; in a transaction."""
    cursor.execute(_CLAIM_LOCK, [lock_number(b"provision")])
    cursor.execute(_HAND_OVER, {"limit": limit})
    values: dict[str, Any] = {"limit": limit, "lease": LEASE, "paused": PAUSED_AGAIN}
    cursor.execute(_CLAIM, values)
    return [_claimed(row) for row in cursor.fetchall()]


def _claimed(row: Sequence[Any]) -> Claimed:
    names = Claimed.__dataclass_fields__
    values = dict(zip(names, row, strict=True))
    sealed = values["endpoint_sealed"]
    return Claimed(**{**values, "endpoint_sealed": None if sealed is None else bytes(sealed)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What provisioning one device came to. `state` None: nothing is decided, look again in `after`."""

    claimed: Claimed
    endpoint_arn: str = field(default="", repr=False)
    state: str | None = None
    reason: str = ""
    verified: bool = False
    attempts: int = 0
    after: timedelta | None = None
    misconfigured: str = ""  # why the app cannot be used


# A token changed during the call wins: its row learns the ARN and goes round again.
# A device deleted during the call learns the ARN too, or its endpoint would be left behind.
_SETTLE = """
UPDATE devices_device device
   SET provision_lease = NULL,
       provision_lease_expires_at = NULL,
       endpoint_arn = CASE WHEN %(arn)s::text <> '' THEN %(arn)s::text ELSE endpoint_arn END,
       provision_due_at =
           CASE WHEN fresh THEN statement_timestamp() + %(after)s::interval ELSE statement_timestamp() END,
       provision_attempts = CASE WHEN fresh THEN %(attempts)s::int ELSE 0 END,
       verified_at = CASE WHEN fresh AND %(verified)s::boolean THEN statement_timestamp() ELSE verified_at END,
       endpoint_changed_at =
           CASE WHEN decided AND endpoint_state <> %(state)s::text
                THEN statement_timestamp() ELSE endpoint_changed_at END,
       endpoint_reason = CASE WHEN decided THEN %(reason)s ELSE endpoint_reason END,
       endpoint_state = CASE WHEN decided THEN %(state)s::text ELSE endpoint_state END
  FROM (SELECT id,
               token_version = %(version)s AND deleted_at IS NULL AS fresh,
               token_version = %(version)s AND deleted_at IS NULL AND %(state)s::text IS NOT NULL
                 AND endpoint_state IN ('pending', 'active', 'suspect') AS decided
          FROM devices_device WHERE id = %(id)s AND provision_lease = %(lease)s FOR NO KEY UPDATE) held
 WHERE device.id = held.id
RETURNING fresh, decided
"""

_SETTLE_DEAD = """
UPDATE devices_device
   SET provision_lease = NULL, provision_lease_expires_at = NULL,
       endpoint_arn =
           CASE WHEN %(done)s::boolean THEN '' WHEN %(arn)s::text <> '' THEN %(arn)s::text ELSE endpoint_arn END,
       endpoint_sealed = CASE WHEN %(done)s::boolean THEN NULL ELSE endpoint_sealed END,
       endpoint_hash = CASE WHEN %(done)s::boolean THEN NULL ELSE endpoint_hash END,
       provision_due_at = CASE WHEN %(done)s::boolean THEN NULL ELSE statement_timestamp() + %(after)s::interval END,
       provision_attempts = %(attempts)s
 WHERE id = %(id)s AND provision_lease = %(lease)s
"""


def provision_settle(cursor: CursorWrapper, settlement: Settlement) -> bool:
    """Write it, if the lease is still ours. True if a live device's state was decided by it."""
    claimed = settlement.claimed
    values: dict[str, Any] = {
        "id": claimed.id,
        "lease": claimed.lease,
        "version": claimed.token_version,
        "arn": settlement.endpoint_arn,
        "state": settlement.state,
        "reason": settlement.reason,
        "verified": settlement.verified,
        "attempts": settlement.attempts,
        "after": settlement.after,
        "done": settlement.after is None,
    }
    if claimed.deleted:
        cursor.execute(_SETTLE_DEAD, values)
        return False
    cursor.execute(_SETTLE, values)
    row = cursor.fetchone()
    return row is not None and bool(row[1])


_ENDPOINTS_CHANGE = """
UPDATE devices_device device
   SET endpoint_state = %(state)s, endpoint_reason = %(reason)s, provision_due_at = NULL,
       endpoint_changed_at = statement_timestamp(), updated_at = statement_timestamp()
  FROM (SELECT id FROM devices_device
         WHERE (id, token_version) IN (SELECT * FROM unnest(%(ids)s::bigint[], %(versions)s::int[]))
           AND deleted_at IS NULL AND endpoint_state = ANY (%(before)s)
         ORDER BY id FOR NO KEY UPDATE) held
 WHERE device.id = held.id
RETURNING device.id, device.tenant_id, device.device_id
"""


def endpoints_change(
    cursor: CursorWrapper, *, rows: Iterable[tuple[int, int]], before: Iterable[str], state: str, reason: str
) -> list[tuple[int, UUID, UUID]]:
    """These endpoints into `state`, each only at that token version and from a state of `before`. The (id, tenant id,
    device id) of those it did."""
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


# A token bucket with one second's worth of burst, refilled by the clock: whole calls only, nothing borrowed.
_QUOTA_ENSURE = """
INSERT INTO devices_awsquota (account_id, region, tokens) VALUES (%(account)s, %(region)s, %(rate)s)
ON CONFLICT (account_id, region) DO NOTHING
"""

_QUOTA_SPEND = """
UPDATE devices_awsquota quota
   SET tokens = level.tokens - level.granted, refilled_at = level.at
  FROM (SELECT id, at, tokens, greatest(0, least(%(wanted)s, floor(tokens))) AS granted
          FROM (SELECT id, clock_timestamp() AS at,
                       least(coalesce(rate, %(rate)s), tokens
                             + extract(epoch FROM clock_timestamp() - refilled_at) * coalesce(rate, %(rate)s)) AS tokens
                  FROM devices_awsquota WHERE account_id = %(account)s AND region = %(region)s FOR UPDATE) refilled
       ) level
 WHERE quota.id = level.id
RETURNING level.granted
"""


def quota_spend(cursor: CursorWrapper, *, account_id: str, region: str, rate: int, wanted: int) -> int:
    """How many of `wanted` calls may be made now: 0 to `wanted`. `rate` is AWS's default, calls per second."""
    values: dict[str, Any] = {"account": account_id, "region": region, "rate": rate, "wanted": wanted}
    cursor.execute(_QUOTA_ENSURE, values)
    cursor.execute(_QUOTA_SPEND, values)
    row = cursor.fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AppToVerify:
    id: UUID
    tenant_id: UUID
    version: int
    provider: str
    platform_application_arn: str


# Moving the due time ahead is the lease: whoever dies over it leaves it to be found a minute later. What was repaired
# beyond us (a parameter, a role's policy) is only seen with a new version: caches key on it.
_APPS_TO_VERIFY = """
UPDATE devices_app
   SET verify_due_at = statement_timestamp() + interval '1 minute',
       version = version + CASE WHEN state = 'misconfigured' THEN 1 ELSE 0 END
 WHERE id IN (SELECT id FROM devices_app WHERE verify_due_at <= statement_timestamp()
               ORDER BY verify_due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, tenant_id, version, provider, platform_application_arn
"""


def apps_to_verify_claim(cursor: CursorWrapper, *, limit: int) -> list[AppToVerify]:
    cursor.execute(_APPS_TO_VERIFY, [limit])
    names = AppToVerify.__dataclass_fields__
    return [AppToVerify(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


# A tenant's own number of days, else the installation's; 0 = never.
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
