"""The tenant's AvatarPolicy row, translated for the pure packages `avatars.imaging` and `avatars.moderation`."""

from avatars.imaging.types import ImageLimits
from avatars.models import AvatarPolicy, Moderation
from avatars.moderation.policy import (
    Cause,
    ModerationAction,
    Policy,
    PolicyDecision,
    PolicyInvalid,
    policy_decide,
    policy_parse,
)
from avatars.moderation.types import ModerationLabel


def image_limits(policy: AvatarPolicy) -> ImageLimits:
    return ImageLimits(
        max_bytes=policy.max_bytes,
        max_pixels=policy.max_pixels,
        master_side=max(ImageLimits().master_side, *policy.sides),
    )


def labels_decide(moderation: Moderation, policy: AvatarPolicy) -> PolicyDecision:
    """What the tenant's policy says about the stored labels. Thresholds that cannot be read never approve a picture."""
    labels = [ModerationLabel.parse(label) for label in moderation.labels]
    try:
        parsed = policy_parse(policy.thresholds)
    except PolicyInvalid as invalid:
        unread = Cause(action=ModerationAction.REVIEW, label=f"the tenant's thresholds are not usable: {invalid}")
        found = policy_decide(labels, Policy(), model_version=moderation.model_version)
        action = ModerationAction.REJECT if found.action is ModerationAction.REJECT else ModerationAction.REVIEW
        return PolicyDecision(action=action, causes=(*found.causes, unread))
    return policy_decide(labels, parsed, model_version=moderation.model_version)
