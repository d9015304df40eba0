"""The keys of objects: `<area>/<tenant>/<avatar>/<random or content hash>`. No two users share a key."""

import hashlib
import re
import secrets
from uuid import UUID

from avatars.storage.base import MASTERS, PUBLIC, UPLOADS

_UPLOAD = re.compile(rf"{UPLOADS}/([0-9a-f-]{{36}})/([0-9a-f-]{{36}})/([0-9a-f]{{32}})")
EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "webp": "webp", "jpeg": "jpg"}
PUBLIC_EXTENSIONS = frozenset({"webp", "jpg"})
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


def upload_key(tenant_id: UUID, avatar_id: UUID) -> str:
    return f"{UPLOADS}/{tenant_id}/{avatar_id}/{secrets.token_hex(16)}"


def upload_key_read(key: str) -> tuple[UUID, UUID] | None:
    """(tenant id, avatar id) of a key that `upload_key` made; None for any other."""
    match = _UPLOAD.fullmatch(key)
    try:
        return (UUID(match[1]), UUID(match[2])) if match else None
    except ValueError:
        return None


def master_key(tenant_id: UUID, avatar_id: UUID, data: bytes, format: str) -> str:
    return f"{MASTERS}/{tenant_id}/{avatar_id}/{_hash(data)}.{EXTENSIONS[format]}"


def public_key(tenant_id: UUID, avatar_id: UUID, data: bytes, format: str) -> str:
    return f"{PUBLIC}/{tenant_id}/{avatar_id}/{_hash(data)}.{EXTENSIONS[format]}"


def content_type(key: str) -> str:
    return CONTENT_TYPES[key.rsplit(".", 1)[-1]]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
