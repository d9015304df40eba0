"""An endpoint as Amazon Pinpoint exports it (API reference, EndpointResponse) → a registration.

Push channels only. Whoever opted out, and endpoints Pinpoint found unreachable, are skipped: making them reachable
again is not for a copy to decide. What pushhub has no place for is kept as attributes.
"""

import re
from typing import Any
from uuid import UUID, uuid5

from rest_framework.exceptions import ValidationError

from pushhub.http.api import LocaleField, TimezoneField
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant

# ChannelType → (our platform, the platform string of the SNS app that reaches it).
CHANNELS = {
    "APNS": ("ios", "APNS"),
    "APNS_SANDBOX": ("ios", "APNS_SANDBOX"),
    "APNS_VOIP": ("ios", "APNS_VOIP"),
    "APNS_VOIP_SANDBOX": ("ios", "APNS_VOIP_SANDBOX"),
    "GCM": ("android", "GCM"),
    "ADM": ("fireos", "ADM"),
}
OTHER_CHANNELS = {"BAIDU", "EMAIL", "SMS", "VOICE", "PUSH", "CUSTOM", "IN_APP"}
# Where our fields come from, for the report's pointers.
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


class Skipped(Exception):
    """The line is well-formed and not for us."""

    def __init__(self, detail: str, pointer: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer


def endpoint_body(endpoint: dict[str, Any], *, tenant: Tenant) -> tuple[dict[str, Any], str]:
    """The body, and the platform string of the SNS app that is meant. Raises Skipped, ApiError INVALID."""
    channel = _text(endpoint, "ChannelType")
    if channel in OTHER_CHANNELS:
        raise Skipped("Not a channel we push to.", "/ChannelType")
    if channel not in CHANNELS:
        raise _invalid("Not a ChannelType of Amazon Pinpoint.", "/ChannelType")
    if endpoint.get("OptOut") == "ALL":
        raise Skipped("Opted out.", "/OptOut")
    if endpoint.get("EndpointStatus") == "INACTIVE":
        raise Skipped("Inactive.", "/EndpointStatus")
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
    """Pinpoint's ids are free texts: what is no UUID is made one, the same one every time."""
    name = "Id" if "Id" in endpoint else "EndpointId"
    endpoint_id = _text(endpoint, name)
    if not endpoint_id:
        raise _invalid("An endpoint has an Id.", "/Id")
    return UUID(endpoint_id) if _UUID.fullmatch(endpoint_id) else uuid5(tenant.id, endpoint_id)


def _attributes(endpoint: dict[str, Any]) -> dict[str, Any]:
    """Attributes as they are (lists of texts), Metrics as numbers; Make, Model and Country unless those names are
    taken."""
    demographic, location = _object(endpoint, "Demographic"), _object(endpoint, "Location")
    found = {"make": demographic.get("Make"), "model": demographic.get("Model"), "country": location.get("Country")}
    extra = {name: value for name, value in found.items() if value}
    return extra | _object(endpoint, "Metrics") | _object(endpoint, "Attributes")


def _demographic(demographic: dict[str, Any]) -> dict[str, Any]:
    """A locale or zone that is none is left out: no reason to lose the device."""
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
