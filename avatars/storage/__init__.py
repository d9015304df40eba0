"""The store of this installation, as the settings say."""

from functools import cache
from pathlib import Path

from django.conf import settings

from avatars.storage.base import Storage
from avatars.storage.local import LocalStorage


def storage_get() -> Storage:
    if settings.AVATAR_STORAGE == "local":
        return _local(settings.AVATAR_LOCAL_DIR)
    return _s3(settings.AVATAR_S3_BUCKET, settings.AVATAR_S3_REGION, settings.AVATAR_S3_ENDPOINT_URL)


@cache
def _local(root: Path) -> LocalStorage:
    return LocalStorage(Path(root))


@cache
def _s3(bucket: str, region: str, endpoint_url: str | None) -> Storage:
    from avatars.storage.s3 import S3Storage  # only here: boto3 costs 0.2 s and 30 MB

    return S3Storage(bucket, region, endpoint_url)
