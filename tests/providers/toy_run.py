"""A process whose registry has one line more: create an app, register a device, send to it. Prints what came of it.

`python -m tests.providers.toy_run <address of the vendor>`, with a database that holds a tenant of this server key in
TOY_SERVER_KEY.
"""

import json
import os
import sys
from typing import Any
from uuid import uuid4

import django

from providers.registry import PROVIDERS

PROVIDERS["toy"] = ("toy.provider", "ToyProvider")  # the one registry line


def run(url: str) -> dict[str, Any]:
    from rest_framework.test import APIClient

    from devices.verification import VERIFICATION
    from pushhub.http.docs import schema
    from tests.notifications.builders import dispatcher_make

    client = APIClient(HTTP_HOST="127.0.0.1")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {os.environ['TOY_SERVER_KEY']}")
    client.default_format = "json"
    app = client.post("/v1/apps", {"name": "toys", "provider": "toy", "toy_url": url, "toy_key": "k3y"})
    VERIFICATION.step()
    device = client.put(f"/v1/devices/{uuid4()}", {"platform": "teddy", "toy_number": "17", "user_id": "alice"})
    to = {"to": {"users": ["alice"]}, "content": {"title": "Hello"}}
    preview = client.post("/v1/notifications", to | {"dry_run": True})
    sent = client.post("/v1/notifications", to)
    dispatcher = dispatcher_make(window=8)
    dispatcher.run()
    dispatcher.close()
    deliveries = client.get(f"/v1/notifications/{sent.data['id']}/deliveries")
    return {
        "answers": [answer.status_code for answer in (app, device, preview, sent)],
        "app": client.get("/v1/apps/toys").json(),
        "previewed": [shown["platform"] for shown in preview.json()["payloads"]],
        "deliveries": [(row["state"], row["reason"]) for row in deliveries.json()["data"]],
        "components": schema()["components"]["schemas"],
    }


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(json.dumps(run(sys.argv[1])))
