"""Uploads: hand out a form, learn that an object has arrived, expire a form that was not used."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from avatars.keys import upload_key
from avatars.models import Avatar, TimelineEntry
from avatars.selectors import avatar_get_for_tenant, avatar_policy_get
from avatars.services.objects import QUEUE, object_keep, objects_drop, stray_drop, upload_intend
from avatars.services.transitions import WORKFLOW_TASK, avatar_lock, avatar_move
from avatars.states import OPEN, AvatarState, Reason, WorkflowStep
from avatars.storage import storage_get
from avatars.storage.base import ObjectInfo, UploadForm
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.ids import uuid7
from pushhub.workers.wake import wake
from tenants.models import EndUser, Tenant
from tenants.services import end_user_ensure

# A user with this many unfinished uploads must wait: the store must not fill with uploads that never finish.
MAX_OPEN = 10


@dataclass(frozen=True, slots=True)
class AvatarCreated:
    avatar: Avatar
    form: UploadForm = field(repr=False)
    max_bytes: int


class Observed(StrEnum):
    """What an event about an upload led to."""

    TAKEN = "taken"
    REPEATED = "repeated"  # the event is known already, or older than the known one
    STRAY = "stray"  # no avatar expects the object: it will be deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedObject:
    """One version of an object, as the store reports it. `sequencer` orders the events of one key; "": unknown."""

    key: str = field(repr=False)
    size: int
    etag: str
    version: str = ""
    sequencer: str = ""


@transaction.atomic(savepoint=False)
def avatar_create(*, tenant: Tenant, user_id: str, content_type: str) -> AvatarCreated:
    """An avatar awaiting its upload, and the form for it. Raises ApiError RATE_LIMITED, INVALID."""
    user = _user_lock(tenant=tenant, user_id=user_id)
    if Avatar.objects.filter(tenant=tenant, user=user, state__in=OPEN)[:MAX_OPEN].count() >= MAX_OPEN:
        raise ApiError(
            ErrorCode.RATE_LIMITED, detail=f"{MAX_OPEN} uploads of this user are unfinished.", retry_after=60
        )
    policy = avatar_policy_get(tenant=tenant)
    avatar = Avatar(
        id=uuid7(),
        tenant=tenant,
        user=user,
        content_type=content_type,
        upload_expires_at=timezone.now() + timedelta(seconds=settings.AVATAR_UPLOAD_SECONDS),
    )
    avatar.upload_key = upload_key(tenant.id, avatar.id)
    avatar.save(force_insert=True)
    upload_intend(avatar=avatar)
    form = storage_get().upload_form(
        key=avatar.upload_key,
        content_type=content_type,
        max_bytes=policy.max_bytes,
        expires_at=avatar.upload_expires_at,
    )
    return AvatarCreated(avatar, form, policy.max_bytes)


def _user_lock(*, tenant: Tenant, user_id: str) -> EndUser:
    """The user, created if need be, and locked: an erasure or another upload of the user waits until this commits."""
    while True:
        end_user_ensure(tenant=tenant, user_id=user_id)
        user = EndUser.objects.select_for_update(no_key=True).filter(tenant=tenant, user_id=user_id).first()
        if user is not None:  # else the user was erased in between
            return user


def avatar_complete(*, tenant: Tenant, avatar_id: UUID, user_id: str | None = None) -> Avatar:
    """The client reports that it has uploaded the picture: look for it in the store. Repeating is safe.

    Raises ApiError NOT_FOUND, CONFLICT when there is nothing in the store, UNAVAILABLE.
    """
    avatar = avatar_get_for_tenant(tenant=tenant, avatar_id=avatar_id, user_id=user_id)
    if avatar.state != AvatarState.AWAITING_UPLOAD:
        return avatar
    info = storage_get().stat(avatar.upload_key)
    if info is None:
        raise ApiError(ErrorCode.CONFLICT, detail="Nothing has been uploaded with this avatar's form.")
    upload_observed(tenant_id=tenant.id, avatar_id=avatar_id, upload=upload_of(avatar=avatar, info=info))
    return avatar_get_for_tenant(tenant=tenant, avatar_id=avatar_id, user_id=user_id)


def upload_observed(*, tenant_id: UUID, avatar_id: UUID, upload: UploadedObject) -> Observed:
    """Apply what an event or an answer of the store says about an upload, in any order and any number of times.

    Until the workflow has fetched the object, a later version of the same key replaces the earlier one.
    """
    with transaction.atomic():
        avatar = (
            Avatar.objects.select_for_update(no_key=True)
            .filter(tenant_id=tenant_id, id=avatar_id, upload_key=upload.key)
            .first()
        )
        if avatar is None or avatar.state in {AvatarState.EXPIRED, AvatarState.DELETED}:
            stray_drop(tenant_id=tenant_id, avatar_id=avatar_id, key=upload.key)
            return Observed.STRAY
        if avatar.state == AvatarState.AWAITING_UPLOAD:
            avatar_move(avatar=avatar, state=AvatarState.UPLOADED, step=WorkflowStep.NORMALISE)
        elif _known(avatar, upload):
            return Observed.REPEATED
        elif avatar.state == AvatarState.FAILED and avatar.step == WorkflowStep.NORMALISE:
            object_keep(avatar=avatar, key=avatar.upload_key)
            avatar_move(avatar=avatar, state=AvatarState.UPLOADED, step=WorkflowStep.NORMALISE)
        elif avatar.state != AvatarState.UPLOADED:
            stray_drop(tenant_id=tenant_id, avatar_id=avatar_id, key=upload.key)
            return Observed.STRAY
        _pin(avatar, upload)
    return Observed.TAKEN


def avatar_expire(*, avatar: Avatar) -> None:
    with transaction.atomic():
        avatar = avatar_lock(tenant=avatar.tenant, avatar_id=avatar.id)
        if avatar.state == AvatarState.AWAITING_UPLOAD:
            avatar_move(avatar=avatar, state=AvatarState.EXPIRED, reason=Reason.UPLOAD_EXPIRED)
            objects_drop(avatars=[avatar])


def _known(avatar: Avatar, upload: UploadedObject) -> bool:
    """The same content, or an event from before it."""
    same = (avatar.upload_version, avatar.upload_etag) == (upload.version, upload.etag)
    return same or not sequencer_after(upload.sequencer, avatar.upload_sequencer)


def sequencer_after(new: str, old: str) -> bool:
    """S3's sequencers are hexadecimal of varying length, compared after padding with zeros on the left. An empty one
    counts as the earliest."""
    width = max(len(new), len(old))
    return new.upper().rjust(width, "0") > old.upper().rjust(width, "0")


def _pin(avatar: Avatar, upload: UploadedObject) -> None:
    avatar.upload_version = upload.version
    avatar.upload_etag = upload.etag
    avatar.upload_size = upload.size
    avatar.upload_sequencer = upload.sequencer[:64]
    # A worker that is fetching the version before loses its lease, and this version is fetched instead.
    avatar.lease = avatar.lease_expires_at = None
    avatar.due_at = Now()
    avatar.save()
    TimelineEntry.objects.create(
        tenant_id=avatar.tenant_id, avatar=avatar, what="upload", detail=f"{upload.size} bytes"
    )
    transaction.on_commit(partial(wake, WORKFLOW_TASK, QUEUE), robust=True)


def upload_of(*, avatar: Avatar, info: ObjectInfo) -> UploadedObject:
    return UploadedObject(key=avatar.upload_key, size=info.size, etag=info.etag, version=info.version)
