"""What a notification looks like on each platform its tenant has apps for: to check its size, or to show it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notifications.engine import sql
from notifications.message import message_build
from notifications.models import Notification
from providers.base import Provider
from providers.errors import PayloadTooLarge
from providers.registry import provider_get
from providers.types import (
    Credentials,
    Endpoint,
    Message,
    Push,
    SnsCredentials,
    SnsEndpoint,
    StubCredentials,
    StubEndpoint,
    WebPushCredentials,
    WebPushEndpoint,
)
from pushhub.kernel.database import statement_run
from pushhub.kernel.errors import ApiError, ErrorCode, FieldError
from tenants.models import Tenant

# As long as ids get, and as a reader of a dry run will recognise them.
PLACEHOLDER_ID = str(UUID(int=0))


@dataclass(frozen=True, slots=True)
class Target:
    """A vendor's platform: ("webpush", "web"), ("sns", "APNS") …"""

    provider: str
    platform: str


def targets(*, tenant: Tenant) -> list[Target]:
    """The platforms this tenant has apps for, in whatever state those are: they may be mended before the sending."""
    rows = statement_run(sql.PLATFORMS, {"tenant": tenant.id})
    return sorted((Target(provider, platform or PLATFORM[provider]) for provider, platform in rows), key=str)


PLATFORM = {"webpush": "web", "sns": "APNS", "stub": "stub"}


def payloads_check(*, tenant: Tenant, notification: Notification) -> None:
    """Raises ApiError INVALID for data that a vendor keeps for itself; PAYLOAD_TOO_LARGE with a line per platform whose
    vendor would refuse the payload for its size."""
    message = message_build(notification=notification)
    platforms = targets(tenant=tenant)
    if reserved := [error for target in platforms for error in _reserved_errors(target, message)]:
        raise ApiError(ErrorCode.INVALID, detail=reserved[0].detail, errors=reserved)
    if errors := [error for target in platforms for error in _size_errors(target, message)]:
        raise ApiError(ErrorCode.PAYLOAD_TOO_LARGE, detail="; ".join(error.detail for error in errors), errors=errors)


def _reserved_errors(target: Target, message: Message) -> Iterator[FieldError]:
    for pointer in provider_get(target.provider).reserved_data(message, target.platform):
        yield FieldError(pointer, f"{target.platform} keeps this name for itself and would refuse the message.")


def _size_errors(target: Target, message: Message) -> Iterator[FieldError]:
    provider = provider_get(target.provider)
    size = provider.payload_size(message, target.platform)
    if size > provider.max_payload:
        yield FieldError(
            "/content", f"{target.provider} {target.platform}: {size} bytes, the limit is {provider.max_payload}"
        )


def payloads_render(*, tenant: Tenant, notification: Notification) -> list[dict[str, Any]]:
    """For each platform: {provider, platform, size, limit, payload}, zeros for ids; a too large `payload` is null."""
    message = message_build(notification=notification)
    return [_rendered(target, message, notification.ttl) for target in targets(tenant=tenant)]


def _rendered(target: Target, message: Message, ttl: int) -> dict[str, Any]:
    provider = provider_get(target.provider)
    return {
        "provider": target.provider,
        "platform": target.platform,
        "size": provider.payload_size(message, target.platform),
        "limit": provider.max_payload,
        "payload": _payload(provider, target, message, ttl),
    }


def _payload(provider: Provider, target: Target, message: Message, ttl: int) -> Any:
    endpoint, credentials = _nobody(target)
    push = Push(
        message=message,
        mapping_id=PLACEHOLDER_ID,
        delivery_id=PLACEHOLDER_ID,
        ttl=ttl,
        endpoint=endpoint,
        credentials=credentials,
    )
    try:
        return json.loads(provider.payload(push))
    except PayloadTooLarge:
        return None


def _nobody(target: Target) -> tuple[Endpoint, Credentials]:
    """An address that is none: rendering looks at its kind only."""
    if target.provider == "webpush":
        return (
            WebPushEndpoint(url="https://push.invalid/", p256dh=b"", auth=b""),
            WebPushCredentials(key_id="", private_key=b"", public_key=b"", sub=""),
        )
    if target.provider == "sns":
        return (
            SnsEndpoint(endpoint_arn="", platform=target.platform),
            SnsCredentials(cache_key=("", 0), region=""),
        )
    return StubEndpoint(token="stub:ok"), StubCredentials(url="")  # noqa: S106 a scripted device's name
