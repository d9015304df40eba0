"""The example bodies in the OpenAPI document."""

from drf_spectacular.utils import OpenApiExample

PROFILE = {"attributes": {"plan": "pro"}, "locale": "pt-BR", "timezone": "America/Sao_Paulo"}
MOMENT = "2026-11-25T09:30:00.120000Z"

USER_PUT = [
    OpenApiExample(
        "A profile",
        request_only=True,
        value=PROFILE,
    )
]
USER_PATCH = [OpenApiExample("A new language", request_only=True, value={"locale": "en-GB"})]
TOKEN_POST = [OpenApiExample("Ten minutes", request_only=True, value={"ttl_seconds": 600})]

USER = PROFILE | {
    "user_id": "alice",
    "picture": {
        "avatar_id": "0199c0de-ab00-7f53-9c8d-2e4f6a8b0c1d",
        "variants": [{"size": 256, "format": "webp", "url": "https://pictures.example.com/0199c0de/256.webp"}],
    },
    "created_at": MOMENT,
    "updated_at": MOMENT,
}
NEW_USER = USER | {"picture": None}
TOKEN = {"token": "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl", "expires_at": MOMENT}
