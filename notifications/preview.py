"""What a notification looks like on each platform that its tenant has apps for: to check its size, or to show it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notifications.message import message_build
from notifications.models import Notification
from providers.base import Provider
from providers.errors import PayloadTooLarge
from providers.registry import provider_get
from providers.types import Message, Push
from pushhub.kernel.database import statement_run
from pushhub.kernel.errors import ApiError, ErrorCode, FieldError
from tenants.models import Tenant

# The greatest length of an id, and easy to recognise in a dry run.
PLACEHOLDER_ID = str(UUID(int=0))
# Index: app_name, by the tenant.
_PLATFORMS = "SELECT DISTINCT provider, sns_platform FROM devices_app WHERE tenant_id = %(tenant)s"


@dataclass(frozen=True, slots=True)
class Target:
    """A provider's platform: web push's "web", SNS's "APNS" …"""

    provider: Provider
    platform: str


def targets(*, tenant: Tenant) -> list[Target]:
    """The platforms that this tenant has apps for, whatever their state: it may change before the sending."""
    rows = statement_run(_PLATFORMS, {"tenant": tenant.id})
    return [_target(provider_get(name), platform) for name, platform in sorted(rows)]


def _target(provider: Provider, platform: str) -> Target:
    """A vendor with one platform has the name of the device platform."""
    return Target(provider, platform or next(iter(provider.platforms), ""))


def payloads_check(*, tenant: Tenant, notification: Notification) -> None:
    """Raises ApiError INVALID for data under a name that a vendor reserves; PAYLOAD_TOO_LARGE with a line for each
    platform whose vendor would refuse the payload for its size."""
    message = message_build(notification=notification)
    platforms = targets(tenant=tenant)
    if reserved := [error for target in platforms for error in _reserved_errors(target, message)]:
        raise ApiError(ErrorCode.INVALID, detail=reserved[0].detail, errors=reserved)
    if errors := [error for target in platforms for error in _size_errors(target, message)]:
        raise ApiError(ErrorCode.PAYLOAD_TOO_LARGE, detail="; ".join(error.detail for error in errors), errors=errors)


def _reserved_errors(target: Target, message: Message) -> Iterator[FieldError]:
    for pointer in target.provider.reserved_data(message, target.platform):
        yield FieldError(pointer, f"{target.platform} reserves this name and would refuse the message.")


def _size_errors(target: Target, message: Message) -> Iterator[FieldError]:
    size, limit = target.provider.payload_size(message, target.platform), target.provider.payload_limit
    if size > limit:
        yield FieldError("/content", f"{target.provider.name} {target.platform}: {size} bytes, the limit is {limit}")


def payloads_render(*, tenant: Tenant, notification: Notification) -> list[dict[str, Any]]:
    """For each platform: {provider, platform, size, limit, payload}, with zeros for ids. A too large `payload` is
    null."""
    message = message_build(notification=notification)
    return [_rendered(target, message, notification.ttl) for target in targets(tenant=tenant)]


def _rendered(target: Target, message: Message, ttl: int) -> dict[str, Any]:
    return {
        "provider": target.provider.name,
        "platform": target.platform,
        "size": target.provider.payload_size(message, target.platform),
        "limit": target.provider.payload_limit,
        "payload": _payload(target, message, ttl),
    }


def _payload(target: Target, message: Message, ttl: int) -> Any:
    endpoint, credentials = target.provider.sample(target.platform)
    push = Push(
        message=message,
        mapping_id=PLACEHOLDER_ID,
        delivery_id=PLACEHOLDER_ID,
        ttl=ttl,
        endpoint=endpoint,
        credentials=credentials,
    )
    try:
        return json.loads(target.provider.payload(push))
    except PayloadTooLarge:
        return None
