"""The reference implementation: pywebpush encrypts and py_vapid signs. The requests are sent by the same client.

It costs one and a half times as much as `encryption`, and three times as much where `agreement` works on eight keys at
once. An operator chooses it by a setting, to find out whether a fault is in pushhub's own implementation.
"""

import http_ece
from py_vapid import Vapid02, VapidException
from pywebpush import WebPusher

from providers.webpush.base64url import b64url
from providers.webpush.types import WebPushCredentials
from providers.webpush.vapid import private_key_load


def encrypt(plaintext: bytes, *, p256dh: bytes, auth: bytes, agreement: None = None) -> bytes:
    """As `encryption.encrypt`, with keys that pywebpush makes. Raises ValueError when `p256dh` is not a point on the
    curve, or for an empty plaintext."""
    keys = {"p256dh": b64url(p256dh), "auth": b64url(auth)}
    if not plaintext:
        raise ValueError("pywebpush encrypts no empty message")
    try:
        body: bytes = WebPusher({"endpoint": "", "keys": keys}).encode(plaintext)["body"]
    except http_ece.ECEException:
        raise ValueError("not a point on the curve") from None
    return body


def token_sign(credentials: WebPushCredentials, *, audience: str, expires: int) -> str:
    """As `vapid.token_sign`. Raises ValueError for an unusable key, or an origin that py_vapid does not know (IPv6).

    It gets a key object, because py_vapid is slow on text; a new dict of claims, because it changes what it is given;
    and `no-strict`, because strict mode refuses contacts with a path, and contacts are checked when they are stored.
    """
    vapid = Vapid02(private_key_load(credentials.private_key), conf={"no-strict": True})
    try:
        header: str = vapid.sign({"aud": audience, "exp": expires, "sub": credentials.sub})["Authorization"]
    except VapidException as error:
        raise ValueError("py_vapid does not sign this") from error
    return header.removeprefix("vapid t=").partition(",")[0]
