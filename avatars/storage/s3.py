"""A private bucket at any S3 endpoint. A CDN reads only `public/` (see docs/avatars.md)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from avatars.storage.base import (
    PUBLIC,
    PUBLIC_SECONDS,
    ObjectInfo,
    ObjectMissing,
    ObjectTooLarge,
    Storage,
    StorageRetry,
    UploadForm,
)

GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound", "PreconditionFailed", "412", "InvalidArgument"})
PUBLIC_CACHE = f"public, max-age={PUBLIC_SECONDS}"


class S3Storage(Storage):
    name = "s3"

    def __init__(self, bucket: str, region: str, endpoint_url: str | None) -> None:
        self.bucket = bucket
        self._region = region
        self._endpoint_url = endpoint_url

    @override
    def upload_form(self, *, key: str, content_type: str, max_bytes: int, expires_at: datetime) -> UploadForm:
        made = self.client.generate_presigned_post(
            Bucket=self.bucket,
            Key=key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, max_bytes]],
            ExpiresIn=int((expires_at - datetime.now(UTC)).total_seconds()),
        )
        return UploadForm(url=made["url"], fields=dict(made["fields"]))

    @override
    def stat(self, key: str) -> ObjectInfo | None:
        try:
            with _vendor():
                head = self.client.head_object(Bucket=self.bucket, Key=key)
        except ObjectMissing:
            return None
        return ObjectInfo(size=head["ContentLength"], etag=_etag(head["ETag"]), version=_version(head))

    @override
    def get(self, key: str, *, max_bytes: int, version: str = "", etag: str = "") -> bytes:
        pinned = {"VersionId": version} if version else {"IfMatch": f'"{etag}"'} if etag else {}
        with _vendor():
            response = self.client.get_object(Bucket=self.bucket, Key=key, **pinned)
            with response["Body"] as body:
                data: bytes = body.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise ObjectTooLarge
        return data

    @override
    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        cache = PUBLIC_CACHE if key.startswith(f"{PUBLIC}/") else "private, no-store"
        with _vendor():
            self.client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type, CacheControl=cache)

    @override
    def delete(self, key: str) -> None:
        """Every version and delete marker: deleting by key would only hide the object in a versioned bucket."""
        with _vendor():
            pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key)
            for page in pages:
                found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                versions = [
                    {"Key": key, "VersionId": item.get("VersionId") or "null"} for item in found if item["Key"] == key
                ]
                self._versions_delete(versions)

    @override
    def leftovers_delete(self) -> None:
        """A bucket keeps nothing of a put that was interrupted."""

    def _versions_delete(self, versions: list[dict[str, str]]) -> None:
        if not versions:
            return
        response = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": versions, "Quiet": True})
        if errors := response.get("Errors"):
            raise StorageRetry(str(errors[0].get("Code", "DeleteObjects")))

    @property
    def client(self) -> Any:
        return _client(os.getpid(), self._region, self._endpoint_url)


@cache
def _client(pid: int, region: str, endpoint_url: str | None) -> Any:
    """One per process: connections must not cross a fork."""
    config = Config(
        signature_version="s3v4",
        connect_timeout=3,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": 2},
        s3={"addressing_style": "path" if endpoint_url else "virtual"},
    )
    return boto3.session.Session().client("s3", region_name=region, endpoint_url=endpoint_url, config=config)


@contextmanager
def _vendor() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in GONE:
            raise ObjectMissing(code) from None
        raise StorageRetry(code) from None
    except (BotoCoreError, OSError) as error:
        raise StorageRetry(type(error).__name__) from None


def _etag(text: str) -> str:
    return text.strip('"')


def _version(head: Any) -> str:
    version = str(head.get("VersionId") or "")
    return "" if version == "null" else version
