"""The records of what is in the store: intents before a put, tombstones before a delete."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from avatars import sql
from avatars.keys import content_type
from avatars.models import Avatar, StoredObject
from avatars.selectors import KEPT
from avatars.storage import storage_get
from avatars.storage.base import MASTERS, PUBLIC, UPLOADS
from pushhub.workers.wake import wake

SWEEP_TASK = "avatars.tasks.sweep_run"
QUEUE = "avatars"


class ObjectsBusy(Exception):
    """The avatar's lease is lost, or an object with that key is being deleted."""


def objects_intend(*, avatar: Avatar, keys: Sequence[str]) -> None:
    """Commit that these keys may be in the store, while the avatar still has its lease. Raises ObjectsBusy."""
    assert avatar.lease is not None
    with transaction.atomic():
        with connection.cursor() as cursor:
            recorded = sql.objects_intend(cursor, claim=sql.Claim(avatar.id, avatar.lease), keys=keys)
        if not recorded:
            raise ObjectsBusy


def object_put(*, avatar: Avatar, key: str, data: bytes) -> None:
    """Put an intended object, outside transactions and while the lease lasts: the sweep's last pass is timed for that.

    Raises ObjectsBusy, StorageRetry.
    """
    if not Avatar.objects.filter(id=avatar.id, lease=avatar.lease, lease_expires_at__gt=Now()).exists():
        raise ObjectsBusy
    storage_get().put(key, data, content_type=content_type(key))


def upload_intend(*, avatar: Avatar) -> None:
    """In the transaction that hands out the form."""
    StoredObject.objects.get_or_create(tenant=avatar.tenant, key=avatar.upload_key, defaults={"avatar_id": avatar.id})


def objects_drop(
    *, avatars: Sequence[Avatar], prefixes: Sequence[str] = (UPLOADS, MASTERS, PUBLIC), after: timedelta = timedelta()
) -> None:
    """Make tombstones; the sweep starts after commit. Called with the avatars' rows locked, before they change."""
    with connection.cursor() as cursor:
        sql.objects_drop(cursor, avatar_ids=[avatar.id for avatar in avatars], prefixes=prefixes, after=after)
    if not after:
        transaction.on_commit(partial(wake, SWEEP_TASK, QUEUE), robust=True)


def object_keep(*, avatar: Avatar, key: str) -> bool:
    """Remove the tombstone of an object that is still in the store. False if there is none, or it is being swept."""
    kept = StoredObject.objects.filter(KEPT, tenant_id=avatar.tenant_id, avatar_id=avatar.id, key=key)
    return bool(key) and bool(kept.update(delete_due_at=None))


def stray_drop(*, tenant_id: UUID, avatar_id: UUID, key: str) -> None:
    """Delete an upload that no avatar expects any more."""
    StoredObject.objects.update_or_create(
        tenant_id=tenant_id,
        key=key,
        create_defaults={"avatar_id": avatar_id, "key": key, "tenant_id": tenant_id, "delete_due_at": Now()},
        defaults={"delete_due_at": Now()},
    )
    transaction.on_commit(partial(wake, SWEEP_TASK, QUEUE), robust=True)
