"""The example response of the OpenAPI description."""

from pushhub.http.openapi import page_of

EVENTS = page_of(
    {
        "id": "0199c0de-ac00-7aa1-8b7c-6d5e4f3a2b1c",
        "type": "device.gone",
        "subject": "7c0e8a52-55ce-4f7e-9a0b-0d6c1d9d2f11",
        "data": {"reason": "http 410"},
        "happened_at": "2026-11-25T09:30:00.120000Z",
    }
)
