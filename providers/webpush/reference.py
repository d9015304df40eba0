"""The reference path: pywebpush encrypts and py_vapid signs, as everybody else's servers do. Sending stays ours.

Half again as dear as `encryption`, three times where `agreement` works by eights. For whoever wants to tell whether a
fault is ours: a setting picks it.
"""

import http_ece
from py_vapid import Vapid02, VapidException
from pywebpush import WebPusher

from providers.types import WebPushCredentials
from providers.webpush.base64url import b64url
from providers.webpush.vapid import private_key_load


def encrypt(plaintext: bytes, *, p256dh: bytes, auth: bytes, agreement: None = None) -> bytes:
    """As `encryption.encrypt`, but with keys of pywebpush's own. Raises ValueError when `p256dh` is no point on the
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

    A key object, because py_vapid is slow on text; claims of our own, because it changes what it is given; not strict,
    because it refuses contacts with a path, and ours are checked when they are stored.
    """
    vapid = Vapid02(private_key_load(credentials.private_key), conf={"no-strict": True})
    try:
        header: str = vapid.sign({"aud": audience, "exp": expires, "sub": credentials.sub})["Authorization"]
    except VapidException as error:
        raise ValueError("py_vapid does not sign this") from error
    return header.removeprefix("vapid t=").partition(",")[0]
