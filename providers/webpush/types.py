"""Web push's endpoint and credentials."""

from dataclasses import dataclass, field

from providers.types import Credentials, Endpoint


@dataclass(slots=True, kw_only=True)
class WebPushEndpoint(Endpoint):
    """A valid PushSubscription: `p256dh` is a 65-byte uncompressed point, `auth` 16 bytes."""

    url: str = field(repr=False)
    p256dh: bytes = field(repr=False)
    auth: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPushCredentials(Credentials):
    """A VAPID key pair: `private_key` is the raw 32-byte scalar, `public_key` the 65-byte point, `sub` the contact."""

    key_id: str
    private_key: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sub: str
