"""A browser's subscription: how a registration brings it, and how it is stored."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from typing_extensions import override

from outgoing.network import VENDOR_PUSH_HOSTS, UrlRefusal, origin
from providers.addresses import AddressType, AllowedHosts, VendorAddress
from providers.fields import Document, Field, Text
from providers.webpush.base64url import b64url, b64url_decode
from providers.webpush.subscription import SubscriptionInvalid, subscription_parse
from providers.webpush.types import WebPushEndpoint
from pushhub.kernel.errors import ApiError, ErrorCode

# The URL could be read, and its address is what is refused.
_REFUSED = set(UrlRefusal) - {UrlRefusal.SYNTAX, UrlRefusal.TOO_LONG}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "PushSubscription.toJSON(), unchanged.",
    "properties": {
        "endpoint": {"type": "string", "format": "uri"},
        "expirationTime": {"type": ["integer", "null"]},
        "keys": {
            "type": "object",
            "properties": {"p256dh": {"type": "string"}, "auth": {"type": "string"}},
            "required": ["p256dh", "auth"],
        },
    },
    "required": ["endpoint", "keys"],
}
# A packed subscription: this byte, p256dh (65), auth (16), then the URL. It is opened for every delivery: 3 µs, and
# 9 µs as JSON, which starts with a brace.
_PACKED: Final = b"\x01"
_P256DH, _AUTH = 66, 82  # where they end


class WebPushAddress(AddressType):
    fields: ClassVar[tuple[Field, ...]] = (
        Document(name="subscription", schema=_SCHEMA),
        Text(
            name="application_server_key",
            max_length=100,
            help="The key the browser subscribed with. Left out: the one of the app's keys that turns out to fit.",
        ),
    )

    @override
    def read(self, body: Mapping[str, Any], *, platform: str, allowed: AllowedHosts) -> VendorAddress:
        subscription = body.get("subscription")
        if subscription is None:
            detail = "A web device brings a `subscription`."
            raise ApiError(ErrorCode.INVALID, detail=detail, pointer="/subscription")
        endpoint = _subscription_read(subscription, allowed)
        return VendorAddress(
            lookup=endpoint.url,
            fields={"endpoint": endpoint.url, "p256dh": b64url(endpoint.p256dh), "auth": b64url(endpoint.auth)},
            push_origin=origin(endpoint.url),
            key=body.get("application_server_key", ""),
        )

    @override
    def body(self, fields: Mapping[str, str], *, key: str) -> dict[str, Any]:
        keys = {"p256dh": fields["p256dh"], "auth": fields["auth"]}
        subscription = {"subscription": {"endpoint": fields["endpoint"], "keys": keys}}
        return subscription | ({"application_server_key": key} if key else {})

    @override
    def pack(self, fields: Mapping[str, str]) -> bytes:
        keys = b64url_decode(fields["p256dh"]) + b64url_decode(fields["auth"])
        if len(keys) != _AUTH - 1:
            raise ValueError("a subscription has 65 bytes of p256dh and 16 of auth")
        return _PACKED + keys + fields["endpoint"].encode()

    @override
    def unpack(self, packed: bytes) -> dict[str, str]:
        if packed.startswith(_PACKED):
            keys = {"p256dh": b64url(packed[1:_P256DH]), "auth": b64url(packed[_P256DH:_AUTH])}
            return {"endpoint": packed[_AUTH:].decode(), **keys}
        return super().unpack(packed)

    @override
    def endpoint(self, packed: bytes, vendor_id: str, platform: str) -> WebPushEndpoint:
        if packed.startswith(_PACKED):
            return WebPushEndpoint(url=packed[_AUTH:].decode(), p256dh=packed[1:_P256DH], auth=packed[_P256DH:_AUTH])
        fields = json.loads(packed)  # of a device that registered before there was the packed form
        keys = b64url_decode(fields["p256dh"]), b64url_decode(fields["auth"])
        return WebPushEndpoint(url=fields["endpoint"], p256dh=keys[0], auth=keys[1])


def _subscription_read(subscription: object, allowed: AllowedHosts) -> WebPushEndpoint:
    try:
        hosts = (*VENDOR_PUSH_HOSTS, *allowed.hosts)
        return subscription_parse(subscription, policy=allowed.policy, allowed_hosts=hosts).endpoint
    except SubscriptionInvalid as fault:
        refused = fault.code in _REFUSED
        raise ApiError(
            ErrorCode.ENDPOINT_REFUSED if refused else ErrorCode.SUBSCRIPTION_INVALID,
            detail=f"{fault.reason[:1].upper()}{fault.reason[1:]}.",
            pointer=f"/subscription{fault.pointer}",
        ) from None
