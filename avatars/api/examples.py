"""Examples of the OpenAPI document; a test sends each of them."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

from avatars.states import Reason
from pushhub.http.openapi import page_of

FOR_A_USER = {"content_type": "image/jpeg", "user_id": "alice"}
MY_OWN = {"content_type": "image/webp"}

CREATE_EXAMPLES = [
    OpenApiExample("a backend, for its user", value=FOR_A_USER, request_only=True),
    OpenApiExample("a client, with a user token", value=MY_OWN, request_only=True),
]

MOMENT = "2026-11-25T09:30:00.120000Z"
AWAITING: dict[str, Any] = {
    "id": "0199c0de-ab00-7f53-9c8d-2e4f6a8b0c1d",
    "user_id": "alice",
    "state": "awaiting_upload",
    "reason": None,
    "created_at": MOMENT,
    "updated_at": MOMENT,
}
CREATED = AWAITING | {
    "upload": {
        "url": "https://acme-uploads.s3.eu-west-1.amazonaws.com/",
        "fields": {
            "key": "uploads/0199c0de/0199c0de-ab00",
            "Content-Type": "image/jpeg",
            "policy": "eyJleHBpcmF0aW9uIjo",
        },
        "expires_at": "2026-11-25T09:45:00.120000Z",
        "max_bytes": 10_485_760,
        "content_types": ["image/jpeg"],
    }
}
UPLOADED = AWAITING | {"state": "uploaded", "moderation": None}
REJECTED = AWAITING | {
    "state": "rejected",
    "reason": {"code": Reason.POLICY.value, "detail": Reason.POLICY.label},
    "moderation": {
        "engine": "rekognition",
        "model_version": "7.0",
        "labels": [{"Name": "Weapons", "ParentName": "Violence", "Confidence": 97.4, "TaxonomyLevel": 2}],
    },
}
IN_REVIEW = REJECTED | {
    "state": "in_review",
    "reason": {"code": Reason.APPEALED.value, "detail": Reason.APPEALED.label},
}
AVATARS = page_of(AWAITING)
