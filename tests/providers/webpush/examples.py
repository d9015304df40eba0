"""A device's keys, an application server key and a push, for the tests of web push."""

from typing import Any

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from providers.types import Push
from providers.webpush.base64url import b64url, b64url_decode
from providers.webpush.types import WebPushCredentials, WebPushEndpoint
from providers.webpush.vapid import (
    private_key_load,
    vapid_key_generate,
)
from tests.providers.contract import MESSAGE

AUTH = b64url_decode("BTBZMqHH6r4Tts7J_aSIgg")


UA_PRIVATE = private_key_load(b64url_decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))


UA_PUBLIC = b64url_decode("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")


def decrypt(body: bytes) -> bytes:
    plaintext: bytes = http_ece.decrypt(body, private_key=UA_PRIVATE, auth_secret=AUTH)
    return plaintext


KEY = vapid_key_generate()


CREDENTIALS = WebPushCredentials(
    key_id="k1", private_key=KEY.private_key, public_key=KEY.public_key, sub="mailto:push@example.com"
)


def claims(header: str) -> dict[str, Any]:
    token, public = header.removeprefix("vapid t=").split(", k=")
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b64url_decode(public))
    options: Any = {"verify_aud": False, "verify_exp": False}
    decoded: dict[str, Any] = jwt.decode(token, point, algorithms=["ES256"], options=options)
    return decoded


PUSH = Push(
    message=MESSAGE,
    mapping_id="mapping-1",
    delivery_id="delivery-1",
    ttl=60,
    endpoint=WebPushEndpoint(url="https://push.example.org/s3cret", p256dh=UA_PUBLIC, auth=AUTH),
    credentials=WebPushCredentials(
        key_id="k", private_key=KEY.private_key, public_key=KEY.public_key, sub="mailto:push@example.com"
    ),
)


SECRETS = ("s3cret", repr(AUTH), repr(UA_PUBLIC), repr(KEY.private_key), "vapid t=", "for alice")
REGISTRATION: dict[str, Any] = {
    "subscription": {
        "endpoint": "https://push.example.org/x",
        "keys": {"p256dh": b64url(UA_PUBLIC), "auth": b64url(AUTH)},
    },
    "application_server_key": b64url(UA_PUBLIC),
}
