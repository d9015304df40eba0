"""Periodic work: expire forms, sweep tombstones, delete rows of deleted avatars. In batches; beat starts the next."""

import logging
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from avatars import sql
from avatars.models import Avatar, StoredObject
from avatars.services.uploads import avatar_expire, upload_observed, upload_of
from avatars.states import AvatarState
from avatars.storage import storage_get
from avatars.storage.base import StorageRetry

logger = logging.getLogger(__name__)

BATCH = 100
EVENT_GRACE = timedelta(seconds=60)  # for an event that is late
UNANSWERED_MAX = 3  # of a batch: each request to an unavailable store takes as long as its timeout
DELETED_KEPT = timedelta(hours=1)


def sweep_step() -> int:
    """Delete the objects of one batch of tombstones, outside any transaction. Failures are due again later. How many
    were deleted."""
    with transaction.atomic(), connection.cursor() as cursor:
        claimed_at = sql.database_now(cursor)
        claimed = sql.sweep_claim(cursor, limit=BATCH)
    gone = [object_id for object_id, key in claimed if _delete(key)]
    with transaction.atomic(), connection.cursor() as cursor:
        sql.sweep_settle(cursor, ids=gone, claimed_at=claimed_at)
    return len(gone)


def uploads_expire() -> None:
    """Ask the store about forms that have expired: perhaps the upload arrived and only its event was lost.

    In random order, so that objects for which the store gives no answer do not block the others.
    """
    before = timezone.now() - EVENT_GRACE
    ended = Avatar.objects.filter(state=AvatarState.AWAITING_UPLOAD, upload_expires_at__lt=before)
    unanswered = 0
    for avatar in ended.select_related("tenant").order_by("?")[:BATCH]:
        try:
            info = storage_get().stat(avatar.upload_key)
        except StorageRetry as error:
            logger.warning("object not checked", extra={"error": str(error)})
            unanswered += 1
            if unanswered == UNANSWERED_MAX:
                return
            continue
        if info is None:
            avatar_expire(avatar=avatar)
        else:
            upload_observed(tenant_id=avatar.tenant_id, avatar_id=avatar.id, upload=upload_of(avatar=avatar, info=info))


def leftovers_delete() -> None:
    try:
        storage_get().leftovers_delete()
    except StorageRetry as error:
        logger.warning("leftovers not deleted", extra={"error": str(error)})


def deleted_purge() -> None:
    """Delete the rows of deleted avatars that have no object left. Objects without an avatar become tombstones."""
    old = Avatar.objects.filter(state=AvatarState.DELETED, updated_at__lt=timezone.now() - DELETED_KEPT)
    left = Exists(StoredObject.objects.filter(avatar_id=OuterRef("id")))
    ids = list(old.filter(~left).values_list("id", flat=True)[:BATCH])
    Avatar.objects.filter(id__in=ids).delete()
    with connection.cursor() as cursor:
        sql.orphans_drop(cursor, limit=BATCH)


def _delete(key: str) -> bool:
    try:
        storage_get().delete(key)
    except StorageRetry as error:
        logger.warning("object not deleted", extra={"error": str(error)})
        return False
    return True
