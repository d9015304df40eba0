"""Reads the token or subscription of a registration: whether it can be used, and how it is looked up. No DNS."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from devices.models import App, Platform, VapidKey
from devices.sealing import endpoint_hash
from devices.types import Address, DeviceRegistration
from outgoing.network import VENDOR_PUSH_HOSTS, UrlRefusal, origin
from providers.types import WebPushEndpoint
from providers.webpush.base64url import b64url
from providers.webpush.subscription import SubscriptionInvalid, subscription_parse
from pushhub.http.network import network_policy
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant

MAX_TOKEN = 4096
_APNS_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")
# The URL could be read, and its address is what is refused.
_REFUSED = set(UrlRefusal) - {UrlRefusal.SYNTAX, UrlRefusal.TOO_LONG}
_TOKEN = re.compile(rf"[!-~]{{1,{MAX_TOKEN}}}")


def address_read(
    *, tenant: Tenant, app: App, data: DeviceRegistration, key_for: Callable[[App, str], VapidKey | None] | None = None
) -> Address:
    """`key_for` finds the VapidKey of a browser's application server key (`vapid_key_for`, or one that remembers).

    Raises ApiError INVALID, SUBSCRIPTION_INVALID or ENDPOINT_REFUSED, each with the pointer of the field.
    """
    if data.platform == Platform.WEB:
        if data.subscription is None or data.token:
            raise ApiError(ErrorCode.INVALID, detail="A web device brings a `subscription`.", pointer="/subscription")
        endpoint = _subscription_read(tenant, data.subscription)
        return Address(
            hash=endpoint_hash(endpoint.url),
            fields={"endpoint": endpoint.url, "p256dh": b64url(endpoint.p256dh), "auth": b64url(endpoint.auth)},
            push_origin=origin(endpoint.url),
            vapid_key=(key_for or vapid_key_for)(app, data.application_server_key),
        )
    if not data.token or data.subscription is not None:
        raise ApiError(ErrorCode.INVALID, detail="This platform brings a `token`.", pointer="/token")
    if data.application_server_key:
        raise ApiError(ErrorCode.INVALID, detail="Only a browser has this key.", pointer="/application_server_key")
    token = _token_read(app, data.token)
    return Address(hash=endpoint_hash(token), fields={"token": token})


def _token_read(app: App, token: str) -> str:
    """An APNs token is hexadecimal, in either case: SNS answers it in lower case (SNS API, GetEndpointAttributes)."""
    if app.sns_platform.startswith(("APNS", "MACOS")):
        if not _APNS_TOKEN.fullmatch(token):
            raise ApiError(ErrorCode.INVALID, detail="An APNs token is 64 to 200 hexadecimal digits.", pointer="/token")
        return token.lower()
    if not _TOKEN.fullmatch(token):
        raise ApiError(
            ErrorCode.INVALID, detail=f"A token is 1 to {MAX_TOKEN} printable ASCII characters.", pointer="/token"
        )
    return token


def _subscription_read(tenant: Tenant, subscription: Mapping[str, Any]) -> WebPushEndpoint:
    try:
        return subscription_parse(subscription, policy=network_policy(), allowed_hosts=push_hosts(tenant)).endpoint
    except SubscriptionInvalid as fault:
        refused = fault.code in _REFUSED
        raise ApiError(
            ErrorCode.ENDPOINT_REFUSED if refused else ErrorCode.SUBSCRIPTION_INVALID,
            detail=f"{fault.reason[:1].upper()}{fault.reason[1:]}.",
            pointer=f"/subscription{fault.pointer}",
        ) from None


def push_hosts(tenant: Tenant) -> tuple[str, ...]:
    return (*VENDOR_PUSH_HOSTS, *tenant.push_hosts)


def vapid_key_for(app: App, server_key: str) -> VapidKey | None:
    """The key the browser subscribed with (RFC 8292 §4.2), if it says so or there is only one it can be. None: sending
    tries each, and remembers the one that fits.

    Raises ApiError APP_UNAVAILABLE, SUBSCRIPTION_INVALID.
    """
    live = VapidKey.objects.filter(tenant=app.tenant_id, app=app, retired_at=None)
    if not server_key:
        candidates = list(live.order_by("-id")[:2])
        if not candidates:
            raise ApiError(ErrorCode.APP_UNAVAILABLE, detail="The app has no VAPID key.", pointer="/platform")
        return candidates[0] if len(candidates) == 1 else None
    key = live.filter(public_key=server_key.rstrip("=")).first()
    if key is None:
        raise ApiError(
            ErrorCode.SUBSCRIPTION_INVALID,
            detail="This application server key is not one of ours: subscribe with the one of /v1/webpush/config.",
            pointer="/application_server_key",
        )
    return key
