"""The statements of provisioning: claim devices whose endpoint must be created, updated or deleted, and settle them.
Clock and order of locks as in `devices.sql`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from devices.sql import lock_number
from providers.apps import AppRecord

LEASE = timedelta(seconds=120)  # longer than a batch in which every call runs into its timeout, and its settles
START_SECONDS = LEASE.total_seconds() - 75.0  # a round's calls, and those for the credentials, end within the lease
ATTEMPTS_COUNTED = 1000  # far beyond the longest wait, and within the column's range
APP_PAUSED_RETRY = timedelta(minutes=10)  # until a device of a paused app is due again


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDevice:
    """A device whose endpoint must be created, updated or deleted.

    `endpoint_arn`: the known endpoint; "": none yet. `start_by` (time.monotonic()): no round of calls starts later.
    """

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
    provider: str
    account_id: str
    region: str
    platform_application_arn: str
    sns_platform: str
    start_by: float

    @property
    def app(self) -> AppRecord:
        """What the provider's provisioner needs of the app."""
        return AppRecord(
            id=str(self.app_id),
            tenant_id=str(self.tenant_id),
            version=self.app_version,
            platform_application_arn=self.platform_application_arn,
            sns_platform=self.sns_platform,
            account_id=self.account_id,
            region=self.region,
        )


# One claim at a time (the lock lasts milliseconds): a live device waits while a tombstone with its token is due or has
# a lease. Otherwise DeleteEndpoint would race with CreatePlatformEndpoint, which answers the same ARN.
_LOCK = "SELECT pg_advisory_xact_lock(%s)"

# The live device needs the endpoint that the tombstone would delete. A tombstone without an ARN is dropped: its token
# leads to the live device's endpoint, which the live device's own call finds.
_ENDPOINT_MOVE = """
WITH pair AS (
    SELECT dead.id AS dead_id, live.id AS live_id, dead.endpoint_arn,
           dead.endpoint_arn IN ('', live.endpoint_arn) AS known
      FROM devices_device dead
      JOIN devices_device live
        ON live.tenant_id = dead.tenant_id AND live.app_id = dead.app_id AND live.endpoint_hash = dead.endpoint_hash
       AND live.deleted_at IS NULL
     WHERE dead.deleted_at IS NOT NULL AND dead.provision_due_at <= statement_timestamp()
       AND (dead.provision_lease IS NULL OR dead.provision_lease_expires_at < statement_timestamp())
       AND (dead.endpoint_arn IN ('', live.endpoint_arn) OR (live.endpoint_arn = '' AND live.provision_lease IS NULL))
     LIMIT %(limit)s
), given AS (
    UPDATE devices_device live SET endpoint_arn = pair.endpoint_arn
      FROM pair WHERE live.id = pair.live_id AND NOT known AND live.endpoint_arn = '' AND live.provision_lease IS NULL
 RETURNING live.id
)
UPDATE devices_device dead
   SET endpoint_arn = '', endpoint_hash = NULL, endpoint_sealed = NULL, provision_due_at = NULL, provision_lease = NULL
  FROM pair WHERE dead.id = pair.dead_id AND (known OR live_id IN (SELECT id FROM given))
"""

_CLAIM = """
WITH due AS (
    SELECT device.id, app.state = 'active' OR (app.state = 'disabled' AND device.deleted_at IS NOT NULL) AS usable
      FROM devices_device device JOIN devices_app app ON app.id = device.app_id
     WHERE device.provision_due_at <= statement_timestamp()
       AND (device.provision_lease IS NULL OR device.provision_lease_expires_at < statement_timestamp())
       AND NOT (device.deleted_at IS NULL AND device.endpoint_hash IS NOT NULL AND EXISTS (
             SELECT 1 FROM devices_device dead
              WHERE dead.tenant_id = device.tenant_id AND dead.app_id = device.app_id
                AND dead.endpoint_hash = device.endpoint_hash AND dead.deleted_at IS NOT NULL
                AND (dead.provision_due_at <= statement_timestamp() OR (dead.provision_due_at IS NOT NULL
                     AND dead.provision_lease_expires_at > statement_timestamp()))))
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
       app.version, app.provider, app.account_id, app.region, app.platform_application_arn,
       app.sns_platform
  FROM claimed JOIN devices_app app ON app.id = claimed.app_id
 WHERE claimed.provision_lease IS NOT NULL
 ORDER BY claimed.id
"""


def provision_claim(cursor: CursorWrapper, *, limit: int) -> list[ClaimedDevice]:
    """Up to `limit` due devices, each under its own lease; in a transaction. Devices of paused apps are postponed,
    except the tombstones of a disabled app: what is erased here is erased at AWS as well."""
    cursor.execute(_LOCK, [lock_number(b"provision")])
    cursor.execute(_ENDPOINT_MOVE, {"limit": limit})
    values: dict[str, Any] = {"limit": limit, "lease": LEASE, "paused": APP_PAUSED_RETRY}
    start_by = time.monotonic() + START_SECONDS  # before the leases start
    cursor.execute(_CLAIM, values)
    return [_claimed((*row, start_by)) for row in cursor.fetchall()]


def _claimed(row: Sequence[Any]) -> ClaimedDevice:
    names = ClaimedDevice.__dataclass_fields__
    values = dict(zip(names, row, strict=True))
    sealed = values["endpoint_sealed"]
    return ClaimedDevice(**{**values, "endpoint_sealed": None if sealed is None else bytes(sealed)})


# The device and all others with the endpoint, locked in key order.
_HOLDERS = """
SELECT id, coalesce(provision_lease = %(lease)s, false), deleted_at IS NOT NULL,
       coalesce(provision_lease_expires_at > statement_timestamp(), false), endpoint_state IN ('active', 'suspect')
  FROM devices_device
 WHERE id = %(id)s
    OR (tenant_id = %(tenant)s AND app_id = %(app)s AND endpoint_arn = %(arn)s AND endpoint_arn <> '')
 ORDER BY id FOR NO KEY UPDATE
"""

_RECHECK = """
UPDATE devices_device
   SET endpoint_state = 'pending', endpoint_changed_at = statement_timestamp(),
       provision_due_at = statement_timestamp()
 WHERE id = ANY(%(ids)s)
"""

# A device that loses its endpoint gets another one; a tombstone has nothing left to delete. In both statements another
# endpoint is another token version: a delivery that was claimed for the earlier one is not sent to it, and a response
# about the earlier one changes nothing.
_TAKE = """
UPDATE devices_device
   SET endpoint_arn = '', token_version = token_version + 1, provision_lease = NULL, provision_lease_expires_at = NULL,
       endpoint_hash = CASE WHEN deleted_at IS NULL THEN endpoint_hash END,
       endpoint_sealed = CASE WHEN deleted_at IS NULL THEN endpoint_sealed END,
       provision_due_at = CASE WHEN deleted_at IS NOT NULL THEN NULL
                               WHEN endpoint_state = 'pending' THEN statement_timestamp() ELSE provision_due_at END
 WHERE id = ANY(%(ids)s)
"""

_OWN = """
WITH before AS (SELECT endpoint_arn NOT IN ('', %(arn)s) AS replaced FROM devices_device WHERE id = %(id)s)
UPDATE devices_device
   SET endpoint_arn = %(arn)s, token_version = token_version + replaced::int
  FROM before
 WHERE id = %(id)s
RETURNING replaced
"""


def provision_own(cursor: CursorWrapper, *, claimed: ClaimedDevice, endpoint_arn: str) -> ClaimedDevice | None:
    """Make the endpoint that AWS named for the device's token the device's own, and no other device's. In a
    transaction. The device with the endpoint.

    Only the row that has the ARN, under a lease, may change or delete the endpoint: so an endpoint is never set to one
    device's token while pushes for another device go to it. None when the endpoint cannot be this device's, now or any
    more: a call for another device is running for it, or another device is reached at it, which is then provisioned
    again before it gets pushes. A tombstone takes no endpoint from another device.
    """
    values: dict[str, Any] = {
        "id": claimed.id,
        "lease": claimed.lease,
        "tenant": claimed.tenant_id,
        "app": claimed.app_id,
        "arn": endpoint_arn,
    }
    cursor.execute(_LOCK, [lock_number(b"endpoint_arn", endpoint_arn.encode())])
    cursor.execute(_HOLDERS, values)
    rows = cursor.fetchall()
    others = [row for row in rows if row[0] != claimed.id]
    leased, dead = next((row[1:3] for row in rows if row[0] == claimed.id), (False, True))
    suspect = [pk for pk, _, _, busy, in_use in others if in_use and not busy]
    if not leased or (dead and others):
        return None
    if suspect or any(busy for *_, busy, _ in others):
        cursor.execute(_RECHECK, {"ids": suspect})
        return None
    cursor.execute(_TAKE, {"ids": [row[0] for row in others]})
    cursor.execute(_OWN, values)
    ((replaced,),) = cursor.fetchall()
    # Not the row's present version: a registration since the claim may have raised it too, for a token that this round
    # does not have.
    return replace(claimed, endpoint_arn=endpoint_arn, token_version=claimed.token_version + replaced)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionSettlement:
    """The result for one device. `state` None: nothing is decided, and the device is due again in `after`."""

    claimed: ClaimedDevice
    state: str | None = None
    reason: str = ""
    verified: bool = False
    attempts: int = 0
    after: timedelta | None = None
    misconfigured: str = ""  # why the app cannot be used


# A device whose token changed during the call, or that was deleted during it, is due again at once.
_SETTLE = """
UPDATE devices_device device
   SET provision_lease = NULL,
       provision_lease_expires_at = NULL,
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
          FROM devices_device WHERE id = %(id)s AND provision_lease = %(lease)s FOR NO KEY UPDATE) leased
 WHERE device.id = leased.id
RETURNING fresh, decided
"""

_SETTLE_DEAD = """
UPDATE devices_device
   SET provision_lease = NULL, provision_lease_expires_at = NULL,
       endpoint_arn = CASE WHEN %(done)s::boolean THEN '' ELSE endpoint_arn END,
       endpoint_sealed = CASE WHEN %(done)s::boolean THEN NULL ELSE endpoint_sealed END,
       endpoint_hash = CASE WHEN %(done)s::boolean THEN NULL ELSE endpoint_hash END,
       provision_due_at = CASE WHEN %(done)s::boolean THEN NULL ELSE statement_timestamp() + %(after)s::interval END,
       provision_attempts = %(attempts)s
 WHERE id = %(id)s AND provision_lease = %(lease)s
"""


class Settled(Enum):
    """What a settle did."""

    LEASE_LOST = "nothing: another worker has the device, or its lease was ended"
    UNDECIDED = "the lease has ended, the state is as it was"
    DECIDED = "the lease has ended, and the state of a live device was decided"


def provision_settle(cursor: CursorWrapper, settlement: ProvisionSettlement) -> Settled:
    """Write it, if the device still has the lease of the claim."""
    claimed = settlement.claimed
    values: dict[str, Any] = {
        "id": claimed.id,
        "lease": claimed.lease,
        "version": claimed.token_version,
        "state": settlement.state,
        "reason": settlement.reason,
        "verified": settlement.verified,
        "attempts": min(settlement.attempts, ATTEMPTS_COUNTED),
        "after": settlement.after,
        "done": settlement.after is None,
    }
    if claimed.deleted:
        cursor.execute(_SETTLE_DEAD, values)
        return Settled.UNDECIDED if cursor.rowcount else Settled.LEASE_LOST
    cursor.execute(_SETTLE, values)
    row = cursor.fetchone()
    if row is None:
        return Settled.LEASE_LOST
    return Settled.DECIDED if row[1] else Settled.UNDECIDED
