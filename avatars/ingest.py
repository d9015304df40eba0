"""Events of the store about uploads: S3's own, bare (SQS) or wrapped by SNS, and EventBridge's.

Sources: "Event message structure" and "EventBridge event message structure" (S3 User Guide). Keys in S3's own events
are form-urlencoded; keys in EventBridge's are not.
"""

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from django.conf import settings

from avatars.keys import upload_key_read
from avatars.services.uploads import Observed, UploadedObject, upload_observed

logger = logging.getLogger(__name__)

MAX_RECORDS = 100


class EventUnreadable(ValueError):
    """Not an event in any known format. The text names the part that is wrong, without its value."""


def events_apply(body: str) -> list[Observed]:
    """Apply every upload in a message. Objects of another bucket or with other keys are ignored.

    Raises EventUnreadable and django.db.Error: then the message must not be deleted.
    """
    applied = []
    for bucket, upload in uploads_read(_document(body)):
        names = upload_key_read(upload.key)
        if bucket != settings.AVATAR_S3_BUCKET or names is None:
            continue
        applied.append(upload_observed(tenant_id=names[0], avatar_id=names[1], upload=upload))
    return applied


def uploads_read(document: dict[str, Any]) -> Iterator[tuple[str, UploadedObject]]:
    """(bucket, upload) of each object that was created. Raises EventUnreadable."""
    if document.get("Type") == "Notification" and "TopicArn" in document:
        document = _document(_text(document, "Message"))  # SNS → SQS without raw delivery
    if document.get("Event") == "s3:TestEvent":
        return
    if "detail-type" in document:
        yield from _eventbridge(document)
        return
    records = document.get("Records")
    if not isinstance(records, list) or len(records) > MAX_RECORDS:
        raise EventUnreadable("Records")
    for record in records:
        yield from _record(record)


def _record(record: Any) -> Iterator[tuple[str, UploadedObject]]:
    if not _text(record, "eventName").removeprefix("s3:").startswith("ObjectCreated:"):
        return
    s3 = _object(record, "s3")
    item = _object(s3, "object")
    upload = UploadedObject(
        key=unquote_plus(_text(item, "key")),
        size=_number(item, "size"),
        etag=_etag(item.get("eTag")),
        version=_optional(item, "versionId"),
        sequencer=_optional(item, "sequencer"),
    )
    yield _text(_object(s3, "bucket"), "name"), upload


def _eventbridge(document: dict[str, Any]) -> Iterator[tuple[str, UploadedObject]]:
    if document.get("source") != "aws.s3" or document["detail-type"] != "Object Created":
        return
    detail = _object(document, "detail")
    item = _object(detail, "object")
    upload = UploadedObject(
        key=_text(item, "key"),
        size=_number(item, "size"),
        etag=_etag(item.get("etag")),
        version=_optional(item, "version-id"),
        sequencer=_optional(item, "sequencer"),
    )
    yield _text(_object(detail, "bucket"), "name"), upload


def _document(body: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise EventUnreadable("the message is not JSON") from None
    if not isinstance(document, dict):
        raise EventUnreadable("the message is not an object")
    return document


def _object(parent: Any, name: str) -> dict[str, Any]:
    value = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(value, dict):
        raise EventUnreadable(name)
    return value


def _text(parent: Any, name: str) -> str:
    value = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(value, str) or "\0" in value:
        raise EventUnreadable(name)
    return value


def _optional(parent: dict[str, Any], name: str) -> str:
    """Absent or null in a bucket without versions."""
    value = parent.get(name)
    return "" if value in (None, "null") else _text(parent, name)[:1024]


def _number(parent: dict[str, Any], name: str) -> int:
    value = parent.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise EventUnreadable(name)
    return value


def _etag(value: Any) -> str:
    return value.strip('"')[:200] if isinstance(value, str) else ""
