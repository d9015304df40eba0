"""What is in the store, written down: intents before a put, tombstones before a delete."""

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
    """The avatar is the claimer's no longer, or an object of that name is just being removed."""


def objects_intend(*, avatar: Avatar, keys: Sequence[str]) -> None:
    """Commit that these keys may be in the store, for the avatar's present claimer. Raises ObjectsBusy."""
    assert avatar.lease is not None
    with transaction.atomic():
        with connection.cursor() as cursor:
            held = sql.objects_intend(cursor, claim=sql.Claim(avatar.id, avatar.lease), keys=keys)
        if not held:
            raise ObjectsBusy


def object_put(*, avatar: Avatar, key: str, data: bytes) -> None:
    """Put what was intended, outside transactions, while the lease lasts: the sweep comes back no later than for that.

    Raises ObjectsBusy, StorageRetry.
    """
    if not Avatar.objects.filter(id=avatar.id, lease=avatar.lease, lease_expires_at__gt=Now()).exists():
        raise ObjectsBusy
    storage_get().put(key, data, content_type=content_type(key))


def upload_intend(*, avatar: Avatar) -> None:
    """In the transaction that hands out the form, or learns of an upload nobody waits for."""
    StoredObject.objects.get_or_create(tenant=avatar.tenant, key=avatar.upload_key, defaults={"avatar_id": avatar.id})


def objects_drop(
    *, avatars: Sequence[Avatar], prefixes: Sequence[str] = (UPLOADS, MASTERS, PUBLIC), after: timedelta = timedelta()
) -> None:
    """Tombstones; the sweep begins after commit. Called with the avatars' rows locked, before they change."""
    with connection.cursor() as cursor:
        sql.objects_drop(cursor, avatar_ids=[avatar.id for avatar in avatars], prefixes=prefixes, after=after)
    if not after:
        transaction.on_commit(partial(wake, SWEEP_TASK, QUEUE), robust=True)


def object_hold(*, avatar: Avatar, key: str) -> bool:
    """Take the tombstone off an object that is kept for a while. False if there is none, or it is being swept."""
    held = StoredObject.objects.filter(KEPT, tenant_id=avatar.tenant_id, avatar_id=avatar.id, key=key)
    return bool(key) and bool(held.update(delete_due_at=None))


def stray_drop(*, tenant_id: UUID, avatar_id: UUID, key: str) -> None:
    """An upload that nobody waits for any more: it is removed."""
    StoredObject.objects.update_or_create(
        tenant_id=tenant_id,
        key=key,
        create_defaults={"avatar_id": avatar_id, "key": key, "tenant_id": tenant_id, "delete_due_at": Now()},
        defaults={"delete_due_at": Now()},
    )
    transaction.on_commit(partial(wake, SWEEP_TASK, QUEUE), robust=True)
