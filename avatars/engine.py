"""The moderation engine of this installation, as the settings say."""

import os
from functools import cache

from django.conf import settings

from avatars.moderation.base import Engine
from avatars.moderation.registry import engine_make


def engine_get() -> Engine:
    """One engine per process: models and connections must not cross a fork."""
    return _engine(os.getpid(), settings.AVATAR_ENGINE)


@cache
def _engine(pid: int, name: str) -> Engine:
    return engine_make(
        name,
        region=settings.AVATAR_REKOGNITION_REGION,
        human_loop=settings.AVATAR_REKOGNITION_FLOW_ARN,
        project_version=settings.AVATAR_REKOGNITION_PROJECT_VERSION,
        from_s3=settings.AVATAR_STORAGE == "s3",
    )
