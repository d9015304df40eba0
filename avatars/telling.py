"""The push that tells a person what became of their picture."""

from typing import Any

from avatars.models import Avatar, AvatarPolicy
from notifications.drafts import NotificationDraft
from notifications.services import notification_create

CATEGORY = "avatar"
TTL = 86_400
MAX_TEXT = 500  # characters; with the data far below any vendor's limit
TEXTS = {
    "approved": {"title": "Your new picture is live", "body": "Everybody sees it now."},
    "rejected": {"title": "Your picture was not accepted", "body": "{detail}"},
    "in_review": {"title": "Your picture is being checked", "body": "{detail}"},
    "failed": {"title": "Your picture could not be processed", "body": "{detail}"},
}


def result_tell(*, avatar: Avatar, policy: AvatarPolicy) -> None:
    """Inside the transaction of the result: neither is without the other. The newest result replaces an older one's."""
    if policy.push == AvatarPolicy.Push.OFF:
        return
    silent = policy.push == AvatarPolicy.Push.SILENT
    draft = NotificationDraft(
        to={"users": [avatar.user.user_id]},
        content=_content(avatar, policy, silent=silent),
        category=CATEGORY,
        ttl=TTL,
        collapse_key=CATEGORY,
        silent=silent,
    )
    notification_create(tenant=avatar.tenant, data=draft)


def _content(avatar: Avatar, policy: AvatarPolicy, *, silent: bool) -> dict[str, Any]:
    data = {"avatar_id": str(avatar.id), "state": str(avatar.state), "reason": avatar.reason}
    if silent:
        return {"data": data}
    texts = {**TEXTS[avatar.state], **_own_texts(policy, avatar.state)}
    return {name: text.replace("{detail}", avatar.detail)[:MAX_TEXT] for name, text in texts.items()} | {"data": data}


def _own_texts(policy: AvatarPolicy, state: str) -> dict[str, str]:
    """A slip in a tenant's texts costs the text, not the result."""
    given = policy.texts.get(state) if isinstance(policy.texts, dict) else None
    own = given if isinstance(given, dict) else {}
    return {name: own[name] for name in ("title", "body") if isinstance(own.get(name), str)}
