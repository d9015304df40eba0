"""The words every provider shares. Values only: nothing here does I/O or knows a vendor's rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What a vendor's answer means for one delivery. A closed set: every answer becomes exactly one of these."""

    ACCEPTED = "accepted"  # The vendor took the message. Not delivered: nobody has seen it yet.
    RETRY = "retry"  # Not taken this time; the same push may succeed later (`SendResult.retry_after`).
    ENDPOINT_GONE = "endpoint_gone"  # The endpoint will never take a message again; stop sending to it.
    REJECTED = "rejected"  # This message will never be taken; the endpoint itself may be fine.
    MISCONFIGURED = "misconfigured"  # Our credentials or application are at fault, not the message or the device.


class Urgency(StrEnum):
    """RFC 8030 §5.3, word for word; other vendors' priorities are derived from it."""

    VERY_LOW = "very-low"
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button under a notification."""

    id: str
    title: str
    icon: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one notification says, in no vendor's language.

    `overrides` has the keys `apns`, `fcm` and `webpush`; each is deep-merged, last, into that vendor's payload.
    `rendered` keeps what providers made of it for all devices alike (providers.template).
    """

    notification_id: str
    title: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    url: str = field(default="", repr=False)
    icon: str = field(default="", repr=False)
    image: str = field(default="", repr=False)
    actions: tuple[Action, ...] = field(default=(), repr=False)
    badge: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    category: str = ""
    silent: bool = False
    urgency: Urgency = Urgency.NORMAL
    collapse_key: str = ""
    lang: str = ""
    dir: str = ""
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    rendered: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)


# Endpoints, Push, HttpRequest and HttpResponse are made for each delivery: freezing doubled what making them costs.
@dataclass(slots=True, kw_only=True)
class WebPushEndpoint:
    """A validated PushSubscription: `p256dh` is a 65-byte uncompressed point, `auth` 16 bytes."""

    url: str = field(repr=False)
    p256dh: bytes = field(repr=False)
    auth: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPushCredentials:
    """A VAPID key pair: `private_key` is the raw 32-byte scalar, `public_key` the 65-byte point, `sub` our contact."""

    key_id: str
    private_key: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sub: str


@dataclass(slots=True, kw_only=True)
class SnsEndpoint:
    """An SNS platform endpoint. `platform` is SNS's own word: APNS, APNS_SANDBOX, GCM, …"""

    endpoint_arn: str = field(repr=False)
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsCredentials:
    """How to be allowed to call SNS: keys, a role to assume with `external_id`, or the server's identity (`ambient`).

    `cache_key` is (app id, version): sessions and assumed roles are kept under it, so a new version starts afresh.
    """

    cache_key: tuple[str, int]
    region: str
    access_key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    role_arn: str = ""
    external_id: str = field(default="", repr=False)
    ambient: bool = False


@dataclass(slots=True, kw_only=True)
class StubEndpoint:
    """A scripted device: `stub:ok`, `stub:gone`, `stub:retry`, `stub:reject`, `stub:misconfigured`, `stub:slow`."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StubCredentials:
    """`url` is where `providers.stub.server` listens."""

    url: str


MAX_ID = 36  # characters of a mapping, notification or delivery id
MAX_RECEIPT = 96

Endpoint = WebPushEndpoint | SnsEndpoint | StubEndpoint
Credentials = WebPushCredentials | SnsCredentials | StubCredentials


@dataclass(slots=True, kw_only=True)
class Push:
    """One delivery, ready to go. `ttl` is in seconds, ≥ 0, counted from now.

    `receipt` is a token that lets the client say that it arrived, at most MAX_RECEIPT characters; payloads carry it as
    `pushhub.receipt`, left out when empty. It and the two ids are of base64url's alphabet: nothing has to escape them.
    `prepared` is what `Provider.prepare` left for the next request, and for that one only.
    """

    message: Message
    mapping_id: str
    delivery_id: str
    ttl: int
    endpoint: Endpoint
    credentials: Credentials
    receipt: str = field(default="", repr=False)
    prepared: object = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def longest(cls, message: Message, *, endpoint: Endpoint, credentials: Credentials, ttl: int = 0) -> "Push":
        """`message` with ids as long as they get, sent to nobody: what its payload takes at most."""
        return cls(
            message=message,
            mapping_id="x" * MAX_ID,
            delivery_id="x" * MAX_ID,
            receipt="x" * MAX_RECEIPT,
            ttl=ttl,
            endpoint=endpoint,
            credentials=credentials,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of one attempt. `error_code` is the vendor's own word, verbatim; `retry_after` is in seconds."""

    outcome: Outcome
    provider_message_id: str = ""
    error_code: str = ""
    retry_after: float | None = None
