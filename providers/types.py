"""The values every provider shares. Nothing here does I/O or knows a vendor's rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What a vendor's answer means for one delivery. A closed set: every answer becomes exactly one of these."""

    ACCEPTED = "accepted"  # The vendor took the message. It is not delivered: the user has not seen it yet.
    RETRY = "retry"  # Not taken this time; the same push may succeed later (`SendResult.retry_after`).
    ENDPOINT_GONE = "endpoint_gone"  # The endpoint will never take a message again; stop sending to it.
    REJECTED = "rejected"  # The vendor will never take this message; the endpoint itself may be fine.
    MISCONFIGURED = "misconfigured"  # The app's credentials or settings are at fault, not the message or the device.


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
    """What one notification says, independent of any vendor.

    `overrides` has the keys `apns`, `fcm` and `webpush`; each is deep-merged, last, into that vendor's payload.
    `rendered` keeps what providers rendered once for all devices (providers.template).
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


class Endpoint:
    """Where one device is reached. Each provider has a class of its own.

    Endpoints, Push, HttpRequest and HttpResponse are made for each delivery and are not frozen: freezing doubled what
    making them costs.
    """

    __slots__ = ()

    def at(self, address: str) -> "Endpoint":
        """The same endpoint with `address` in place of its own, for a request that carries the address in its body."""
        return self


class Credentials:
    """What authorises a request to the vendor. Each provider has a class of its own; instances are frozen."""

    __slots__ = ()


MAX_ID = 36  # characters of a mapping, notification or delivery id
MAX_RECEIPT = 96


@dataclass(slots=True, kw_only=True)
class Push:
    """One delivery, ready to be sent. `ttl` is in seconds, ≥ 0, counted from now.

    With `receipt`, a token of at most MAX_RECEIPT characters, the client reports that the message arrived. Payloads
    carry it as `pushhub.receipt` and leave it out when it is empty. The token and the two ids use base64url's alphabet,
    so they need no escaping. `prepared` is what `Provider.prepare` stored for the next request, and for that one only.
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
        """`message` with ids of the greatest length: its payload is as large as it can get. Never sent."""
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
    """The result of one attempt. `error_code` is the vendor's own code, unchanged; `retry_after` is in seconds."""

    outcome: Outcome
    provider_message_id: str = ""
    error_code: str = ""
    retry_after: float | None = None
