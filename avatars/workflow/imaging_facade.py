"""The pure rooms as the workflow sees them: pictures, engines and policy, fitted to the tenant's row."""

import os
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.conf import settings

from avatars.imaging.normalise import image_normalise
from avatars.imaging.thumbnails import thumbnails_make
from avatars.imaging.types import ImageLimits, ImageRefused
from avatars.models import AvatarPolicy, Moderation
from avatars.moderation.base import Engine, EngineMisconfigured, EngineRefused, EngineRetry
from avatars.moderation.policy import Cause, Decision, Policy, PolicyInvalid, Verdict, policy_decide, policy_parse
from avatars.moderation.registry import engine_make
from avatars.moderation.types import ModerationLabel, S3Object

__all__ = [
    "EngineMisconfigured",
    "EngineRefused",
    "EngineRetry",
    "ImageRefused",
    "S3Object",
    "decide",
    "engine_get",
    "image_normalise",
    "limits",
    "thumbnails_make",
]


def limits(policy: AvatarPolicy) -> ImageLimits:
    return ImageLimits(
        max_bytes=policy.max_bytes,
        max_pixels=policy.max_pixels,
        master_side=max(ImageLimits().master_side, *policy.sides),
    )


def engine_get() -> Engine:
    """This process's engine: models and connections must not cross a fork."""
    return _engine(os.getpid(), settings.AVATAR_ENGINE)


def decide(moderation: Moderation, policy: AvatarPolicy) -> Decision:
    """The tenant's verdict on what was found. Thresholds that cannot be read let nothing pass by themselves."""
    labels = labels_load(moderation.labels)
    try:
        parsed = policy_parse(policy.thresholds)
    except PolicyInvalid as invalid:
        unread = Cause(verdict=Verdict.REVIEW, label=f"the tenant's thresholds are not usable: {invalid}")
        found = policy_decide(labels, Policy(), model_version=moderation.model_version)
        verdict = Verdict.REJECT if found.verdict is Verdict.REJECT else Verdict.REVIEW
        return Decision(verdict=verdict, because=(*found.because, unread))
    return policy_decide(labels, parsed, model_version=moderation.model_version)


def labels_load(labels: Iterable[dict[str, Any]]) -> list[ModerationLabel]:
    return [ModerationLabel.parse(label) for label in labels]


@cache
def _engine(pid: int, name: str) -> Engine:
    return engine_make(
        name,
        region=settings.AVATAR_REKOGNITION_REGION,
        human_loop=settings.AVATAR_REKOGNITION_FLOW_ARN,
        project_version=settings.AVATAR_REKOGNITION_PROJECT_VERSION,
        from_s3=settings.AVATAR_STORAGE == "s3",
    )
