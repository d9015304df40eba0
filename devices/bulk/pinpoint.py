"""An endpoint as Amazon Pinpoint exports it (API reference, EndpointResponse) → a registration.

Push channels only. Endpoints that opted out, or that Pinpoint found unreachable, are skipped: an import must not make
them reachable again. Fields that pushhub does not have are kept as attributes.
"""

import re
from typing import Any
from uuid import UUID, uuid5

from rest_framework.exceptions import ValidationError

from pushhub.http.api import LocaleField, TimezoneField
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant

# ChannelType → (pushhub's platform, the platform string of the SNS app that reaches it).
CHANNELS = {
    "APNS": ("ios", "APNS"),
    "APNS_SANDBOX": ("ios", "APNS_SANDBOX"),
    "APNS_VOIP": ("ios", "APNS_VOIP"),
    "APNS_VOIP_SANDBOX": ("ios", "APNS_VOIP_SANDBOX"),
    "GCM": ("android", "GCM"),
    "ADM": ("fireos", "ADM"),
}
OTHER_CHANNELS = {"BAIDU", "EMAIL", "SMS", "VOICE", "PUSH", "CUSTOM", "IN_APP"}
# Pinpoint's members by pushhub's fields, for the pointers of reports.
POINTERS = {
    "/device_id": "/Id",
    "/platform": "/ChannelType",
    "/app": "/ChannelType",
    "/token": "/Address",
    "/user_id": "/User/UserId",
    "/attributes": "/Attributes",
    "/app_version": "/Demographic/AppVersion",
    "/os_version": "/Demographic/PlatformVersion",
}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LOCALE = LocaleField()
_TIMEZONE = TimezoneField()


class LineSkipped(Exception):
    """The line is valid, but not for pushhub."""

    def __init__(self, detail: str, pointer: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer


def endpoint_body(endpoint: dict[str, Any], *, tenant: Tenant) -> tuple[dict[str, Any], str]:
    """The body, and the platform string of the SNS app. Raises LineSkipped, ApiError INVALID."""
    channel = _text(endpoint, "ChannelType")
    if channel in OTHER_CHANNELS:
        raise LineSkipped("pushhub does not push to this channel.", "/ChannelType")
    if channel not in CHANNELS:
        raise _invalid("Not a ChannelType of Amazon Pinpoint.", "/ChannelType")
    if endpoint.get("OptOut") == "ALL":
        raise LineSkipped("Opted out.", "/OptOut")
    if endpoint.get("EndpointStatus") == "INACTIVE":
        raise LineSkipped("Inactive.", "/EndpointStatus")
    platform, sns_platform = CHANNELS[channel]
    body: dict[str, Any] = {
        "device_id": str(_device_id(endpoint, tenant)),
        "platform": platform,
        "token": _text(endpoint, "Address"),
        "attributes": _attributes(endpoint),
        **_demographic(_object(endpoint, "Demographic")),
    }
    if user_id := _object(endpoint, "User").get("UserId"):
        body["user_id"] = user_id
    return body, sns_platform


def _device_id(endpoint: dict[str, Any], tenant: Tenant) -> UUID:
    """Pinpoint's ids are any text: one that is no UUID is mapped to a UUID, always the same."""
    name = "Id" if "Id" in endpoint else "EndpointId"
    endpoint_id = _text(endpoint, name)
    if not endpoint_id:
        raise _invalid("An endpoint has an Id.", "/Id")
    return UUID(endpoint_id) if _UUID.fullmatch(endpoint_id) else uuid5(tenant.id, endpoint_id)


def _attributes(endpoint: dict[str, Any]) -> dict[str, Any]:
    """Attributes (lists of strings) and Metrics (numbers); Make, Model and Country where no attribute has the name."""
    demographic, location = _object(endpoint, "Demographic"), _object(endpoint, "Location")
    found = {"make": demographic.get("Make"), "model": demographic.get("Model"), "country": location.get("Country")}
    extra = {name: value for name, value in found.items() if value}
    return extra | _object(endpoint, "Metrics") | _object(endpoint, "Attributes")


def _demographic(demographic: dict[str, Any]) -> dict[str, Any]:
    """An invalid locale or time zone is left out: the device is more important."""
    locale = demographic.get("Locale")
    found = {
        "locale": _kept(_LOCALE, locale.replace("_", "-") if isinstance(locale, str) else None),
        "timezone": _kept(_TIMEZONE, demographic.get("Timezone")),
        "app_version": demographic.get("AppVersion"),
        "os_version": demographic.get("PlatformVersion"),
    }
    return {name: value for name, value in found.items() if value}


def _kept(field: LocaleField | TimezoneField, value: Any) -> str:
    try:
        return str(field.run_validation(value)) if value else ""
    except ValidationError:
        return ""


def _object(endpoint: dict[str, Any], name: str) -> dict[str, Any]:
    value = endpoint.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid("Must be a JSON object.", f"/{name}")
    return value


def _text(endpoint: dict[str, Any], name: str) -> str:
    value = endpoint.get(name)
    if not isinstance(value, str):
        raise _invalid("Must be a string.", f"/{name}")
    return value


def _invalid(detail: str, pointer: str) -> ApiError:
    return ApiError(ErrorCode.INVALID, detail=detail, pointer=pointer)
