"""`PushSubscription.toJSON()` (Push API §8.1), read strictly: what passes is valid to encrypt for and to send to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from outgoing.network import NetworkPolicy, UrlRefused, url_check
from providers.webpush.base64url import b64url_decode
from providers.webpush.types import WebPushEndpoint

_MAX_KEY_TEXT = 256
# The curve P-256 (NIST SP 800-186 §3.2.1.3): y² = x³ - 3x + b over the integers modulo p.
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


class SubscriptionInvalid(ValueError):
    """`pointer`: a JSON pointer into the subscription; `reason`: a sentence; `code`: a word. None repeats the input."""

    def __init__(self, pointer: str, reason: str, code: str = "invalid") -> None:
        super().__init__(f"{pointer}: {reason}")
        self.pointer = pointer
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    endpoint: WebPushEndpoint
    expires_at: datetime | None


def subscription_parse(data: object, *, policy: NetworkPolicy, allowed_hosts: tuple[str, ...]) -> Subscription:
    """Check everything that needs no network. Members the Push API may add later are ignored.

    Raises SubscriptionInvalid; for a refused endpoint its `code` is the UrlRefusal.
    """
    if not isinstance(data, Mapping):
        raise SubscriptionInvalid("", "a PushSubscription object is expected")
    keys = data.get("keys")
    if not isinstance(keys, Mapping):
        raise SubscriptionInvalid("/keys", "an object with p256dh and auth is expected")
    endpoint = WebPushEndpoint(
        url=_url(data.get("endpoint"), policy, allowed_hosts),
        p256dh=_point(_binary(keys, "p256dh", 65)),
        auth=_binary(keys, "auth", 16),
    )
    return Subscription(endpoint=endpoint, expires_at=_moment(data.get("expirationTime")))


def _url(value: object, policy: NetworkPolicy, allowed_hosts: tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise SubscriptionInvalid("/endpoint", "a URL is expected")
    try:
        return url_check(value, policy=policy, allowed_hosts=allowed_hosts)
    except UrlRefused as refused:
        raise SubscriptionInvalid("/endpoint", f"the endpoint is refused: {refused.reason}", refused.reason) from None


def _binary(keys: Mapping[str, Any], name: str, length: int) -> bytes:
    text = keys.get(name)
    pointer = f"/keys/{name}"
    if not isinstance(text, str) or len(text) > _MAX_KEY_TEXT:
        raise SubscriptionInvalid(pointer, "a base64url string is expected")
    try:
        raw = b64url_decode(text)
    except ValueError:
        raise SubscriptionInvalid(pointer, "a base64url string is expected") from None
    if len(raw) != length:
        raise SubscriptionInvalid(pointer, f"{length} bytes are expected")
    return raw


def _point(raw: bytes) -> bytes:
    """The full check of SP 800-56A §5.6.2.3.4 on 65 bytes of SEC 1 §2.3.3; nothing more is needed because the curve's
    cofactor is 1. Integer arithmetic takes a quarter of the time in which a library makes a key. No secret is involved,
    so timing does not matter."""
    x, y = int.from_bytes(raw[1:33]), int.from_bytes(raw[33:])
    if raw[0] != 4 or x >= _P or y >= _P or (y * y - (x * x - 3) * x - _B) % _P:
        raise SubscriptionInvalid("/keys/p256dh", "the point is not on the curve P-256")
    return raw


def _moment(value: object) -> datetime | None:
    """Milliseconds since the epoch, or null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SubscriptionInvalid("/expirationTime", "milliseconds since 1970 or null are expected")
    try:
        return datetime.fromtimestamp(value / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        raise SubscriptionInvalid("/expirationTime", "the time is out of range") from None
