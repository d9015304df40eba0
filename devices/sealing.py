"""The secrets that this app stores sealed: push endpoints and the credentials of apps."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from providers.types import WebPushEndpoint
from providers.webpush.base64url import b64url, b64url_decode
from pushhub.kernel.crypto import keyed_hash, seal, seal_many, unseal
from pushhub.kernel.purposes import Purpose

# A subscription under seal: this byte, p256dh (65), auth (16), then the URL. It is opened for every delivery: 3 µs, and
# 9 as JSON, which starts with a brace.
_SUBSCRIPTION: Final = b"\x01"
_P256DH, _AUTH = 66, 82  # where they end


def endpoint_seal(fields: Mapping[str, str]) -> bytes:
    """`{"token"}`, or a subscription's `{"endpoint", "p256dh", "auth"}` (base64url). Raises ValueError."""
    return endpoints_seal([fields])[0]


def endpoints_seal(endpoints: Iterable[Mapping[str, str]]) -> list[bytes]:
    """As `endpoint_seal`, many at once."""
    return seal_many([_plaintext(fields) for fields in endpoints], purpose=Purpose.ENDPOINT)


def _plaintext(fields: Mapping[str, str]) -> bytes:
    if "endpoint" in fields:
        keys = b64url_decode(fields["p256dh"]) + b64url_decode(fields["auth"])
        if len(keys) != _AUTH - 1:
            raise ValueError("a subscription has 65 bytes of p256dh and 16 of auth")
        return _SUBSCRIPTION + keys + fields["endpoint"].encode()
    return json.dumps(fields, separators=(",", ":")).encode()


def endpoint_unseal(sealed: bytes) -> dict[str, str]:
    """What `endpoint_seal` was given. Raises SealBroken."""
    raw = unseal(sealed, purpose=Purpose.ENDPOINT)
    if raw.startswith(_SUBSCRIPTION):
        return {"endpoint": raw[_AUTH:].decode(), "p256dh": b64url(raw[1:_P256DH]), "auth": b64url(raw[_P256DH:_AUTH])}
    fields: dict[str, str] = json.loads(raw)
    return fields


def subscription_unseal(sealed: bytes) -> WebPushEndpoint:
    """A browser's, ready to be encrypted to. Raises SealBroken."""
    raw = unseal(sealed, purpose=Purpose.ENDPOINT)
    if raw.startswith(_SUBSCRIPTION):
        return WebPushEndpoint(url=raw[_AUTH:].decode(), p256dh=raw[1:_P256DH], auth=raw[_P256DH:_AUTH])
    fields = json.loads(raw)  # of a device that registered before there was the shorter form
    keys = b64url_decode(fields["p256dh"]), b64url_decode(fields["auth"])
    return WebPushEndpoint(url=fields["endpoint"], p256dh=keys[0], auth=keys[1])


def endpoint_hash(address: str) -> bytes:
    """Of the token or push URL, 32 bytes: equal addresses are found without being readable."""
    return keyed_hash(address.encode(), purpose=Purpose.ENDPOINT_HASH)


def credentials_seal(fields: Mapping[str, str]) -> bytes:
    """SNS: `{"access_key_id", "secret_access_key"}`; stub: `{"url"}`."""
    return seal(json.dumps(fields, separators=(",", ":")).encode(), purpose=Purpose.APP_CREDENTIALS)


def credentials_unseal(sealed: bytes) -> dict[str, str]:
    """Raises SealBroken."""
    fields: dict[str, str] = json.loads(unseal(sealed, purpose=Purpose.APP_CREDENTIALS))
    return fields
