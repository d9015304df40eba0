"""Test subscriptions, minted here or registered with the caller's own keys."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.behaviour import Behaviour
from sandbox.ece import on_curve
from sandbox.encoding import b64url_decode, b64url_encode
from sandbox.ledger import Ledger
from sandbox.vendors import STYLES

MINT_AT_MOST = 10_000


@dataclass(slots=True, kw_only=True)
class Subscription:
    """`private_key` is None when the caller did not give it. Such messages are checked but not decrypted."""

    url: str = field(repr=False)
    public_key: bytes = field(repr=False)
    private_key: ec.EllipticCurvePrivateKey | None = field(repr=False)
    auth: bytes = field(repr=False)
    application_server_key: bytes | None
    user: str
    style: str
    behaviour: Behaviour

    def as_json(self) -> dict[str, Any]:
        """`PushSubscription.toJSON()` of the W3C Push API."""
        keys = {"p256dh": b64url_encode(self.public_key), "auth": b64url_encode(self.auth)}
        return {"endpoint": self.url, "expirationTime": None, "keys": keys}

    def as_options(self) -> dict[str, Any]:
        """The options that mint it again with the same URL. The behaviour is left out."""
        options = {"url": self.url, "user": self.user, "style": self.style, "keys": self.as_json()["keys"]}
        if self.application_server_key is not None:
            options["application_server_key"] = b64url_encode(self.application_server_key)
        if self.private_key is not None:
            scalar = self.private_key.private_numbers().private_value.to_bytes(32, "big")
            options["keys"]["private_key"] = b64url_encode(scalar)
        return options


class Subscriptions:
    """By the capability in the push URL: 192 random bits (RFC 8030 §8.3 requires 120)."""

    def __init__(self, origin: str, ledger: Ledger | None = None) -> None:
        self._origin = origin
        self._ledger = ledger
        self._by_capability: dict[str, Subscription] = {}
        for options in ledger.subscriptions() if ledger else ():
            self._mint_one(options)

    def __len__(self) -> int:
        return len(self._by_capability)

    def get(self, capability: str) -> Subscription | None:
        return self._by_capability.get(capability)

    def by_url(self, url: str) -> Subscription | None:
        return self._by_capability.get(capability_of(url))

    def mint(self, options: dict[str, Any]) -> list[Subscription]:
        """Raises ValueError, with the name of the field, for an invalid option."""
        count = options.get("count", 1)
        if not isinstance(count, int) or not 1 <= count <= MINT_AT_MOST:
            raise ValueError(f"count must be between 1 and {MINT_AT_MOST}")
        if options.get("style", "plain") not in STYLES:
            raise ValueError(f"style is one of {sorted(STYLES)}")
        if "keys" in options and count != 1:
            raise ValueError("keys belong to one subscription: leave count out")
        minted = [self._mint_one({**options, "url": self._fresh_url()}) for _ in range(count)]
        if self._ledger is not None:
            self._ledger.minted(subscription.as_options() for subscription in minted)
        return minted

    def clear(self) -> None:
        self._by_capability.clear()

    def _mint_one(self, options: dict[str, Any]) -> Subscription:
        public_key, private_key, auth = _given_keys(options["keys"]) if "keys" in options else _fresh_keys()
        subscription = Subscription(
            url=options["url"],
            public_key=public_key,
            private_key=private_key,
            auth=auth,
            application_server_key=_application_server_key(options.get("application_server_key")),
            user=str(options.get("user", "")),
            style=options.get("style", "plain"),
            behaviour=Behaviour.parse(str(options.get("behaviour", "ok"))),
        )
        self._by_capability[capability_of(subscription.url)] = subscription
        return subscription

    def _fresh_url(self) -> str:
        return f"{self._origin}/push/{secrets.token_urlsafe(24)}"


def capability_of(url: str) -> str:
    return url.rpartition("/")[2]


def _fresh_keys() -> tuple[bytes, ec.EllipticCurvePrivateKey, bytes]:
    private_key = ec.generate_private_key(ec.SECP256R1())
    public_key = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return public_key, private_key, secrets.token_bytes(16)


def _given_keys(keys: Any) -> tuple[bytes, ec.EllipticCurvePrivateKey | None, bytes]:
    if not isinstance(keys, dict):
        raise ValueError("keys must be an object with p256dh, auth and perhaps private_key")
    public_key = _point(keys.get("p256dh"), "keys.p256dh")
    auth = b64url_decode(str(keys.get("auth", "")))
    if len(auth) != 16:
        raise ValueError("keys.auth must be 16 bytes in base64url")
    if "private_key" not in keys:
        return public_key, None, auth
    private_key = ec.derive_private_key(int.from_bytes(b64url_decode(keys["private_key"]), "big"), ec.SECP256R1())
    if private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) != public_key:
        raise ValueError("keys.private_key does not belong to keys.p256dh")
    return public_key, private_key, auth


def _application_server_key(value: Any) -> bytes | None:
    return None if value is None else _point(value, "application_server_key")


def _point(value: Any, name: str) -> bytes:
    point = b64url_decode(value) if isinstance(value, str) else b""
    if not on_curve(point):
        raise ValueError(f"{name} must be an uncompressed P-256 point in base64url")
    return point
