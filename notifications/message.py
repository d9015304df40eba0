"""From the stored notification to the vendor-neutral message. Vendors' shapes are the providers' business."""

from typing import Any

from notifications.models import Notification
from providers.types import Action, Message, Urgency


def message_build(*, notification: Notification) -> Message:
    """What `notification` says, for every device alike; an erased one (`content` = {}) says nothing."""
    content: dict[str, Any] = notification.content
    return Message(
        notification_id=str(notification.id),
        title=content.get("title", ""),
        body=content.get("body", ""),
        url=content.get("url", ""),
        icon=content.get("icon", ""),
        image=content.get("image", ""),
        actions=tuple(Action(**action) for action in content.get("actions", ())),
        badge=content.get("badge"),
        data=content.get("data", {}),
        lang=content.get("lang", ""),
        dir=content.get("dir", ""),
        category=notification.category,
        silent=notification.silent,
        urgency=Urgency(notification.urgency),
        collapse_key=notification.collapse_key,
        overrides=content.get("overrides", {}),
    )
