"""Examples of the OpenAPI document; a test sends each of them."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

from notifications.states import DeliveryState
from pushhub.http.openapi import page_of

DEVICE_ID = "9b2f6c1e-4a53-4a2f-9f0e-0c1d2e3f4a5b"
MOMENT = "2026-11-25T09:30:00.120000Z"
SECONDS_LATER = "2026-11-25T09:30:02.480000Z"

ONE_PERSON = {
    "to": {"users": ["alice"]},
    "category": "login",
    "content": {
        "title": "New sign-in",
        "body": "From Lisbon",
        "url": "https://example.com/sessions",
        "actions": [{"id": "yes", "title": "It was me"}],
        "data": {"session": "s-81"},
    },
    "ttl": 3600,
    "urgency": "high",
    "collapse_key": "login",
}
ALL_DEVICES = {"to": {"all": True}, "content": {"title": "We are open again"}, "rate": 500}
TOPIC = {"to": {"topic": "weather.lisbon"}, "content": {"title": "Strong wind tonight"}, "ttl": 14_400}
SILENT = {"to": {"users": ["alice"]}, "content": {"data": {"sync": "inbox"}}, "silent": True, "ttl": 0}

CREATE_EXAMPLES = [
    OpenApiExample("one person", value=ONE_PERSON, request_only=True),
    OpenApiExample("all devices, 500 per second", value=ALL_DEVICES, request_only=True),
    OpenApiExample("a topic", value=TOPIC, request_only=True),
    OpenApiExample("wake the app only", value=SILENT, request_only=True),
]

SUBSCRIBE_EXAMPLES = [
    OpenApiExample(
        "a user and a device",
        value={"users": ["alice"], "devices": [DEVICE_ID]},
        request_only=True,
    ),
]
RECEIPT_EXAMPLES = [
    OpenApiExample(
        "shown, then opened",
        value={
            "receipts": [
                {"token": "AZjA3noRfA2aPj8dK0xdbjH1V9yBGsT3mQe0hJ2uWkc", "event": "displayed"},
                {"token": "AZjA3noRfA2aPj8dK0xdbjH1V9yBGsT3mQe0hJ2uWkc", "event": "action", "action": "yes"},
            ]
        },
        request_only=True,
    ),
]

ACCEPTED: dict[str, Any] = {
    "id": "0199c0de-9a00-7c64-8e2b-7f6e5d4c3b2a",
    "state": "sending",
    "class": "transactional",
    "category": "login",
    "ttl": 3600,
    "urgency": "high",
    "collapse_key": "login",
    "silent": False,
    "rate": None,
    "send_at": None,
    "expires_at": "2026-11-25T10:30:00.120000Z",
    "created_at": MOMENT,
    "cancelled_at": None,
    "completed_at": None,
}
COMPLETED = ACCEPTED | {"state": "completed", "completed_at": SECONDS_LATER}
DETAIL = COMPLETED | {
    "to": ONE_PERSON["to"],
    "content": ONE_PERSON["content"],
    "counts": dict.fromkeys(DeliveryState.values, 0) | {"accepted": 1, "opened": 1, "gone": 1},
    "failures": [
        {
            "state": "gone",
            "reason": "http 410",
            "deliveries": 1,
            "explanation": "The push service answered 410: the subscription has expired or was cancelled.",
            "remedy": "Nothing to do: the device is reached again when its app registers again.",
        }
    ],
    "delay_ms": {"p50": 180, "p95": 220, "p99": 220},
}
CANCELLED = ACCEPTED | {"state": "cancelled", "cancelled_at": SECONDS_LATER}
NOTIFICATIONS = page_of(COMPLETED)
DRY_RUN = {
    "dry_run": True,
    "audience": 2,
    "payloads": [
        {
            "provider": "webpush",
            "platform": "web",
            "size": 512,
            "limit": 3993,
            "payload": {"web_push": 8030, "notification": {"title": "New sign-in", "body": "From Lisbon"}},
        }
    ],
}
DELIVERIES = page_of(
    {
        "id": "0199c0de-9a01-7de0-b3c4-1f2e3d4c5b6a",
        "device_id": DEVICE_ID,
        "user_id": "alice",
        "state": "queued",
        "reason": "http 503",
        "explanation": "The push service answered 503 to the third attempt: it has an internal problem. "
        "Next try at 09:30:02 UTC.",
        "remedy": "Usually temporary. See the status page of the push service.",
        "attempts": 3,
        "created_at": MOMENT,
        "due_at": SECONDS_LATER,
        "accepted_at": None,
    }
)
REDRIVEN = {"redriven": 42, "more": False}
TOPICS = page_of({"name": "weather.lisbon", "created_at": MOMENT})
SUBSCRIBERS = page_of(
    {"user_id": "alice", "device_id": None, "created_at": MOMENT},
    {"user_id": None, "device_id": DEVICE_ID, "created_at": MOMENT},
)
SUBSCRIBED = {"users": 1, "devices": 0, "unknown_devices": [DEVICE_ID]}
RECEIPTS_TAKEN = {"taken": 2, "refused": 0}
