"""Examples of the OpenAPI document; a test sends each of them."""

from drf_spectacular.utils import OpenApiExample

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
EVERYBODY = {"to": {"all": True}, "content": {"title": "We are open again"}, "rate": 500}
TOPIC = {"to": {"topic": "weather.lisbon"}, "content": {"title": "Storm tonight"}, "ttl": 14_400}
SILENT = {"to": {"users": ["alice"]}, "content": {"data": {"sync": "inbox"}}, "silent": True, "ttl": 0}

CREATE_EXAMPLES = [
    OpenApiExample("one person", value=ONE_PERSON, request_only=True),
    OpenApiExample("everybody, 500 a second", value=EVERYBODY, request_only=True),
    OpenApiExample("a topic", value=TOPIC, request_only=True),
    OpenApiExample("wake the app only", value=SILENT, request_only=True),
]

SUBSCRIBE_EXAMPLES = [
    OpenApiExample(
        "a user and a device",
        value={"users": ["alice"], "devices": ["9b2f6c1e-4a53-4a2f-9f0e-0c1d2e3f4a5b"]},
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
