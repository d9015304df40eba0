"""What a browser receives: JSON for pushhub's service worker that is also Declarative Web Push (Safari 18.4)."""

import json
from typing import Any

from providers.merge import deep_merge
from providers.types import Message, Push

DECLARATIVE = 8030  # the value of `web_push`, which marks a declarative message


def payload_build(push: Push) -> bytes:
    """Deterministic UTF-8 JSON, members in a fixed order, empty ones left out.

    The ids come last, so that a tenant's overrides cannot replace what protects a device's next user.
    """
    message = push.message
    content = deep_merge(_content(message), message.overrides.get("webpush", {}))
    content["pushhub"] = _ids(push)
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _content(message: Message) -> dict[str, Any]:
    if message.silent:
        # Without a title and the declarative member it is not shown; the service worker passes the data to open pages.
        return {"notification": {"data": dict(message.data)}}
    notification = _notification(message)
    if not (message.title and message.url):
        return {"notification": notification}  # a declarative message must have both
    # `mutable`: the service worker gets it first and can drop what is not for this device's user.
    return {"web_push": DECLARATIVE, "mutable": True, "notification": notification}


def _notification(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "title": message.title,
        "body": message.body,
        "navigate": message.url,
        "lang": message.lang,
        "dir": message.dir,
        # Always a tag: a repeat after a crash then replaces the first notification instead of being a second one.
        "tag": message.collapse_key or message.notification_id,
        "icon": message.icon,
        "image": message.image,
        "actions": [_drop_empty(_action(message, index)) for index in range(len(message.actions))],
        "data": dict(message.data),
    }
    fields = _drop_empty(fields)
    if message.badge is not None:
        fields["app_badge"] = message.badge
    return fields


def _action(message: Message, index: int) -> dict[str, str]:
    action = message.actions[index]
    return {"action": action.id, "title": action.title, "icon": action.icon, "navigate": message.url}


def _ids(push: Push) -> dict[str, str]:
    message = push.message
    return _drop_empty(
        {
            "mapping": push.mapping_id,
            "notification": message.notification_id,
            "delivery": push.delivery_id,
            "category": message.category,
            "receipt": push.receipt,
        }
    )


def _drop_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ("", [], {})}
