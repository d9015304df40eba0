"""Examples of the OpenAPI document; a test sends each of them."""

from drf_spectacular.utils import OpenApiExample

FOR_A_USER = {"content_type": "image/jpeg", "user_id": "alice"}
MY_OWN = {"content_type": "image/webp"}

CREATE_EXAMPLES = [
    OpenApiExample("a backend, for its user", value=FOR_A_USER, request_only=True),
    OpenApiExample("a client, with a user token", value=MY_OWN, request_only=True),
]
