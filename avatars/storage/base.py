"""The interface of stores, with the same strict checks for files of this machine and for an S3 bucket.

pushhub makes the keys: `uploads/…` (what people send with a signed form), `masters/…` (normalised, private) and
`public/…` (thumbnails, the only prefix that a CDN may read).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

# How long a cache may show a thumbnail without asking, also after it was erased or taken down.
PUBLIC_SECONDS = 3_600
UPLOADS, MASTERS, PUBLIC = "uploads", "masters", "public"


class ObjectMissing(Exception):
    """The object, or exactly this version of it, is not in the store."""


class ObjectTooLarge(Exception):
    """The object has more bytes than the caller allows."""


class StorageRetry(Exception):
    """The store failed; a later try may succeed. The text has the store's error code and no key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """A presigned POST: the client sends `fields`, then the picture as `file`, to `url`."""

    url: str
    fields: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """`version` is "" in a store without versions; then `etag` tells one content from another."""

    size: int
    etag: str
    version: str = ""


class Storage(ABC):
    """Every method except `upload_form` uses the disk or the network and is called outside transactions.

    All raise StorageRetry.
    """

    name: ClassVar[str]
    bucket: str

    @abstractmethod
    def upload_form(self, *, key: str, content_type: str, max_bytes: int, expires_at: datetime) -> UploadForm:
        """A form that takes 1 to `max_bytes` bytes of exactly this key and type until `expires_at`. No network."""

    @abstractmethod
    def stat(self, key: str) -> ObjectInfo | None:
        """The newest version; None if there is no object."""

    @abstractmethod
    def get(self, key: str, *, max_bytes: int, version: str = "", etag: str = "") -> bytes:
        """Exactly this version or content; reads at most `max_bytes` + 1. Raises ObjectMissing, ObjectTooLarge."""

    @abstractmethod
    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Write the object; a repeat changes nothing but its time."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete every version. An object that does not exist is no error."""

    @abstractmethod
    def leftovers_delete(self) -> None:
        """Delete the unfinished files of writers that were killed, when they are too old to be in use."""
