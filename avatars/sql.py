"""The statements of claims, leases and sweeps. Times are the database's: workers' clocks may differ.

All code takes locks in one order: the user's row, then avatars by id, then stored objects by id. The claims below lock
one kind of row, skip locked rows, and so never wait while they have a lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

PUT_SECONDS = 120  # every put has ended by then, with the store's timeouts, a second try and the wait before it
SWEEP_RETRY = timedelta(seconds=30)

# The oldest due step without a lease. A lease that ran out belonged to a worker that died, or that stopped for long.
CLAIM = """
WITH due AS (
    SELECT id, lease IS NOT NULL AS lost FROM avatars_avatar
    WHERE due_at <= now() AND (lease IS NULL OR lease_expires_at < now())
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE avatars_avatar avatar
SET lease = gen_random_uuid(), lease_expires_at = now() + %(lease)s, attempts = attempts + 1,
    lost_leases = lost_leases + due.lost::int
FROM due WHERE avatar.id = due.id
RETURNING avatar.id, avatar.lease, due.lost
"""

# Written before the object is put. The worker must still have the avatar's lease. A tombstone that is being swept stays
# a tombstone. One whose only sweep has ended and that waits for `keep_until` (SWEEP_SETTLE) becomes a kept object
# again, because no worker deletes it at this moment.
# `keep_until`: no put starts after the lease, and the last one has ended PUT_SECONDS later. The object's row has this
# time because the avatar's row loses the lease to another claim, another upload or an erasure, while the put continues.
INTEND = """
INSERT INTO avatars_storedobject (tenant_id, avatar_id, key, attempts, keep_until)
SELECT avatar.tenant_id, avatar.id, key, 0, avatar.lease_expires_at + %(put)s
FROM (
    SELECT id, tenant_id, lease_expires_at FROM avatars_avatar
    WHERE id = %(avatar)s AND lease = %(lease)s FOR KEY SHARE) avatar,
    unnest(%(keys)s::text[]) AS key
ON CONFLICT (tenant_id, key) DO UPDATE
SET delete_due_at = NULL, attempts = 0, keep_until = greatest(avatars_storedobject.keep_until, excluded.keep_until)
WHERE avatars_storedobject.attempts = 0
   OR avatars_storedobject.attempts = 1 AND avatars_storedobject.delete_due_at = avatars_storedobject.keep_until
RETURNING key
"""

# `keep_until`: a worker may write until then, and a client with a form until the form expires, plus ten minutes: the
# store checks a form when the request starts. The sweep deletes again after that time.
DROP = """
UPDATE avatars_storedobject object
SET delete_due_at = now() + %(after)s,
    keep_until = greatest(
        now(),
        object.keep_until,
        CASE WHEN object.key = avatar.upload_key THEN avatar.upload_expires_at + interval '10 minutes' END)
FROM avatars_avatar avatar
WHERE avatar.id = object.avatar_id AND object.attempts = 0
  AND avatar.id = ANY(%(avatars)s) AND object.key LIKE ANY(%(prefixes)s)
"""

SWEEP_CLAIM = """
WITH due AS (
    SELECT id FROM avatars_storedobject WHERE delete_due_at <= now()
    ORDER BY delete_due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE avatars_storedobject object
SET attempts = least(attempts + 1, 1000), delete_due_at = now() + %(again)s * least(attempts + 1, 120)
FROM due WHERE object.id = due.id
RETURNING object.id, object.key
"""

# `claimed_at`: an object that was deleted before `keep_until` may have been written again since.
SWEEP_SETTLE = """
WITH gone AS (
    DELETE FROM avatars_storedobject WHERE id = ANY(%(ids)s) AND (keep_until IS NULL OR keep_until <= %(claimed_at)s))
UPDATE avatars_storedobject SET delete_due_at = keep_until WHERE id = ANY(%(ids)s) AND keep_until > %(claimed_at)s
"""

# Objects of avatars that no longer exist, because a cascade deleted the avatars.
ORPHANS = """
UPDATE avatars_storedobject SET delete_due_at = now(), keep_until = greatest(now(), keep_until)
WHERE id IN (
    SELECT object.id FROM avatars_storedobject object LEFT JOIN avatars_avatar avatar ON avatar.id = object.avatar_id
    WHERE avatar.id IS NULL AND object.delete_due_at IS NULL LIMIT %(limit)s FOR UPDATE OF object SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Claim:
    avatar_id: UUID
    lease: UUID
    lost: bool = False  # the lease before ran out without a settle


def avatar_claim(cursor: CursorWrapper, *, lease: timedelta) -> Claim | None:
    cursor.execute(CLAIM, _given(lease=lease))
    row = cursor.fetchone()
    return Claim(*row) if row else None


def objects_intend(cursor: CursorWrapper, *, claim: Claim, keys: Sequence[str]) -> bool:
    """False if the lease is lost, or one of the keys is being swept."""
    put = timedelta(seconds=PUT_SECONDS)
    cursor.execute(INTEND, _given(avatar=claim.avatar_id, lease=claim.lease, keys=sorted(set(keys)), put=put))
    return len(cursor.fetchall()) == len(set(keys))


def objects_drop(
    cursor: CursorWrapper, *, avatar_ids: Sequence[UUID], prefixes: Sequence[str], after: timedelta = timedelta()
) -> None:
    """Make tombstones of the avatars' objects under `prefixes` (`masters`), due `after` from now."""
    patterns = [f"{prefix}/%" for prefix in prefixes]
    cursor.execute(DROP, _given(avatars=list(avatar_ids), prefixes=patterns, after=after))


def sweep_claim(cursor: CursorWrapper, *, limit: int) -> list[tuple[int, str]]:
    cursor.execute(SWEEP_CLAIM, _given(limit=limit, again=SWEEP_RETRY))
    return list(cursor.fetchall())


def database_now(cursor: CursorWrapper) -> datetime:
    cursor.execute("SELECT now()")
    moment: datetime = cursor.fetchone()[0]
    return moment


def sweep_settle(cursor: CursorWrapper, *, ids: Sequence[int], claimed_at: datetime) -> None:
    cursor.execute(SWEEP_SETTLE, _given(ids=list(ids), claimed_at=claimed_at))


def orphans_drop(cursor: CursorWrapper, *, limit: int) -> None:
    cursor.execute(ORPHANS, _given(limit=limit))


def _given(**values: Any) -> dict[str, Any]:
    """psycopg adapts more types than Django's stubs know."""
    return values
