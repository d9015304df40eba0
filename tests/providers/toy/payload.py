"""What a toy receives."""

import json

from providers.types import Push


def payload_build(push: Push) -> bytes:
    message = push.message
    ids = {"mapping": push.mapping_id, "delivery": push.delivery_id, "receipt": push.receipt}
    content = {"title": message.title, "body": message.body, "silent": message.silent, "pushhub": ids}
    return json.dumps(content).encode()
