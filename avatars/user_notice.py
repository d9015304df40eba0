"""The push notification to a person about the result of an upload."""

import logging
from typing import Any

from avatars.models import Avatar, AvatarPolicy
from notifications.drafts import NotificationDraft
from notifications.services import notification_create
from pushhub.kernel.errors import ApiError, ErrorCode

logger = logging.getLogger(__name__)

CATEGORY = "avatar"
TTL = 86_400
MAX_TEXT = 500  # characters
MAX_TEXT_BYTES = 1_500  # of UTF-8: title, body and data stay below any vendor's limit
TEXTS = {
    "approved": {"title": "Your new picture is live", "body": "Everyone can see it now."},
    "rejected": {"title": "Your picture was not accepted", "body": "{detail}"},
    "in_review": {"title": "Your picture is being checked", "body": "{detail}"},
    "failed": {"title": "Your picture could not be processed", "body": "{detail}"},
}


def user_notify(*, avatar: Avatar, policy: AvatarPolicy) -> None:
    """In the transaction of the result, so that both commit or neither. On the device the newest result replaces an
    older one."""
    if policy.push == AvatarPolicy.PushMode.OFF:
        return
    if policy.push == AvatarPolicy.PushMode.SILENT:
        _push(avatar, {}, silent=True)
        return
    try:
        _push(avatar, {**TEXTS[avatar.state], **_own_texts(policy, avatar.state)})
    except ApiError as error:
        if error.code is not ErrorCode.PAYLOAD_TOO_LARGE:
            raise
        logger.warning("a tenant's text is too large for a push", extra={"tenant": str(avatar.tenant_id)})
        _push(avatar, TEXTS[avatar.state])


def texts_check(texts: Any) -> None:
    """Check an AvatarPolicy's `texts`. Raises ValueError, whose text says what is wrong."""
    if not isinstance(texts, dict) or not texts.keys() <= TEXTS.keys():
        raise ValueError(f"Must be an object with some of {', '.join(TEXTS)}.")
    for state, own in texts.items():
        if not isinstance(own, dict) or not own.keys() <= {"title", "body"}:
            raise ValueError(f'"{state}" must be an object with "title", "body" or both.')
        for name, text in own.items():
            if not isinstance(text, str) or len(text) > MAX_TEXT or len(text.encode()) > MAX_TEXT_BYTES:
                limits = f"{MAX_TEXT} characters and {MAX_TEXT_BYTES:,} bytes"
                raise ValueError(f'"{name}" of "{state}" must be a text of at most {limits} (an emoji has 4 and more).')


def _push(avatar: Avatar, texts: dict[str, str], *, silent: bool = False) -> None:
    data = {"avatar_id": str(avatar.id), "state": str(avatar.state), "reason": avatar.reason}
    filled = {name: text.replace("{detail}", avatar.detail)[:MAX_TEXT] for name, text in texts.items()}
    draft = NotificationDraft(
        to={"users": [avatar.user.user_id]},
        content=filled | {"data": data},
        category=CATEGORY,
        ttl=TTL,
        collapse_key=CATEGORY,
        silent=silent,
    )
    notification_create(tenant=avatar.tenant, data=draft)


def _own_texts(policy: AvatarPolicy, state: str) -> dict[str, str]:
    """A text of the wrong type is ignored: the person still gets the result."""
    given = policy.texts.get(state) if isinstance(policy.texts, dict) else None
    own = given if isinstance(given, dict) else {}
    return {name: own[name] for name in ("title", "body") if isinstance(own.get(name), str)}
