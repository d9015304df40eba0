"""What the stub's devices receive: the message unchanged."""

import json

from providers.merge import deep_merge
from providers.types import Push


def payload_build(push: Push) -> bytes:
    message = push.message
    content = {
        "title": message.title,
        "body": message.body,
        "url": message.url,
        "data": dict(message.data),
        "silent": message.silent,
        "collapse_key": message.collapse_key,
    }
    content = deep_merge(content, message.overrides.get("stub", {}))
    content["pushhub"] = {
        "mapping": push.mapping_id,
        "notification": message.notification_id,
        "delivery": push.delivery_id,
        "receipt": push.receipt,
    }
    return json.dumps(content, separators=(",", ":")).encode("ascii")
