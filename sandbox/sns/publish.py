"""Checks a Publish to a mobile endpoint and selects the part of the message that the platform receives.

AWS silently ignores some mistakes (a value that is not a string, a TTL for another platform). This module refuses them,
because the message would reach the device wrong, or four weeks late.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.sns.store import PLATFORMS
from sandbox.sns.wire import AwsError, entries, invalid, required

MAX_MESSAGE = 262_144
PAYLOAD_LIMITS = {"APNS_VOIP": 5120, "APNS_VOIP_SANDBOX": 5120}
PAYLOAD_LIMIT = 4096
MAX_TTL = 28 * 24 * 3600
PUSH_TYPES = frozenset(
    ("alert", "background", "voip", "complication", "fileprovider", "mdm", "liveactivity", "location")
)
_RESERVED = "AWS.SNS.MOBILE."
_KNOWN_ATTRIBUTES = frozenset(
    [f"{_RESERVED}{platform}.TTL" for platform in PLATFORMS | {"FCM", "APNS_MDM_SANDBOX", "APNS_PASSBOOK_SANDBOX"}]
    + [f"{_RESERVED}APNS.{name}" for name in ("COLLAPSE_ID", "PRIORITY", "PUSH_TYPE", "TOPIC")]
    + [f"{_RESERVED}WNS.{name}" for name in ("CachePolicy", "Group", "Match", "SuppressPopup", "Tag", "Type")]
    + [f"{_RESERVED}MPNS.{name}" for name in ("NotificationClass", "Type")]
    + [f"{_RESERVED}BAIDU.{name}" for name in ("DeployStatus", "MessageKey", "MessageType")]
)
_FCM_MESSAGE_FIELDS = frozenset(("name", "data", "notification", "android", "webpush", "apns", "fcm_options"))
_FCM_DURATION = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?s\Z")


@dataclass(frozen=True, slots=True)
class Chosen:
    """`key` is the platform key that was used, or `default`. `payload` is what the platform would receive."""

    key: str
    payload: str = field(repr=False)
    attributes: Mapping[str, str]


def choose(fields: Mapping[str, str], platform: str) -> Chosen:
    """Raises AwsError as Publish does."""
    message = required(fields, "Message")
    if not message:
        raise invalid("Message", "Empty message")
    if len(message.encode()) > MAX_MESSAGE:
        raise invalid("Message", "Message too long")
    attributes = _message_attributes(fields, platform)
    structure = fields.get("MessageStructure")
    if structure not in (None, "json"):
        raise invalid("MessageStructure", "must be json")
    if structure is None:
        return Chosen("default", _wrapped(message, platform), attributes)
    parts = _structured(message)
    if platform not in parts:
        return Chosen("default", _wrapped(parts["default"], platform), attributes)
    payload = parts[platform]
    _check_payload(payload, platform, attributes)
    return Chosen(platform, payload, attributes)


def _message_attributes(fields: Mapping[str, str], platform: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for group in entries(fields, "MessageAttributes"):
        name, kind, value = group.get("Name", ""), group.get("Value.DataType", ""), group.get("Value.StringValue", "")
        if not name or not kind:
            raise AwsError("ParameterValueInvalid", "A message attribute needs a name and a type", violation=True)
        if name.startswith(_RESERVED):
            _check_reserved(name, kind, value, platform)
        found[name] = value
    return found


def _check_reserved(name: str, kind: str, value: str, platform: str) -> None:
    if name not in _KNOWN_ATTRIBUTES:
        raise _bad_attribute(name, "there is no such reserved attribute")
    if kind != "String":
        raise _bad_attribute(name, "its DataType is String")
    owner, _, setting = name.removeprefix(_RESERVED).partition(".")
    if setting == "TTL":
        _check_ttl(name, value, owner, platform)
    elif owner == "APNS" and not platform.startswith("APNS"):
        raise _bad_attribute(name, f"the endpoint's platform is {platform}")
    elif setting == "PRIORITY" and value not in ("1", "5", "10"):
        raise _bad_attribute(name, "the priority is 1, 5 or 10")
    elif setting == "PUSH_TYPE" and value not in PUSH_TYPES:
        raise _bad_attribute(name, f"the push type is one of {sorted(PUSH_TYPES)}")
    elif setting == "COLLAPSE_ID" and not 0 < len(value.encode()) <= 64:
        raise _bad_attribute(name, "the collapse id has 1 to 64 bytes")


def _check_ttl(name: str, value: str, owner: str, platform: str) -> None:
    if owner != platform and (owner, platform) != ("FCM", "GCM"):
        raise _bad_attribute(name, f"the endpoint's platform is {platform}: this TTL would be ignored")
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) > MAX_TTL:
        raise _bad_attribute(name, f"a TTL is a number of seconds up to {MAX_TTL}")


def _structured(message: str) -> dict[str, str]:
    parts = _json_object(message, "Message Structure - JSON message body failed to parse")
    if not isinstance(parts.get("default"), str):
        raise invalid("Message Structure", "No default entry in JSON message body")
    for key, value in parts.items():
        if not isinstance(value, str):
            raise invalid("Message Structure", f"the value of {key} must be a string that contains JSON")
    return parts


def _json_object(text: str, reason: str) -> dict[str, Any]:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("duplicate key")
        return found

    try:
        value = json.loads(text, object_pairs_hook=no_duplicates)
    except ValueError as error:
        raise invalid("Message", f"{reason}: {error}") from None
    if not isinstance(value, dict):
        raise invalid("Message", f"{reason}: not an object")
    return value


def _wrapped(text: str, platform: str) -> str:
    """Plain text in the platform's format, as SNS converts it."""
    if platform.startswith(("APNS", "MACOS")):
        return json.dumps({"aps": {"alert": text}})
    if platform == "GCM":
        return json.dumps({"data": {"default": text}})
    return text


def _check_payload(payload: str, platform: str, attributes: Mapping[str, str]) -> None:
    if platform.startswith(("APNS", "MACOS")):
        _check_apns(_json_object(payload, "APNs payload"), attributes)
        size = len(payload.encode())
    elif platform == "GCM":
        message = _json_object(payload, "FCM payload")
        envelope = message.get("fcmV1Message")
        body = _fcm_message(envelope) if envelope is not None else message
        size = len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    else:
        size = len(payload.encode())
    if size > PAYLOAD_LIMITS.get(platform, PAYLOAD_LIMIT):
        raise invalid("Message", "Message size is larger than supported by protocol/end-service")


def _check_apns(payload: dict[str, Any], attributes: Mapping[str, str]) -> None:
    if not isinstance(payload.get("aps"), dict):
        raise invalid("Message", "an APNs payload has the object aps")
    background = attributes.get(f"{_RESERVED}APNS.PUSH_TYPE") == "background"
    if background and attributes.get(f"{_RESERVED}APNS.PRIORITY") != "5":
        raise invalid("MessageAttributes", "a background push must have priority 5")
    if background and payload["aps"].get("content-available") != 1:
        raise invalid("Message", "a background push must have content-available: 1")


def _fcm_message(envelope: Any) -> dict[str, Any]:
    message = envelope.get("message") if isinstance(envelope, dict) else None
    if not isinstance(message, dict):
        raise invalid("Message", "fcmV1Message holds the object message")
    unknown = message.keys() - _FCM_MESSAGE_FIELDS
    if unknown:
        raise invalid(
            "Message", f"FCM: unknown or forbidden field message.{sorted(unknown)[0]} (SNS fills in the token)"
        )
    for key, value in _inner(message, "data").items():
        if not isinstance(value, str):
            raise invalid("Message", f"FCM: the value of data.{key} must be a string")
        if key in ("from", "message_type") or key.startswith(("google.", "gcm.")):
            raise invalid("Message", f"FCM: data.{key} is a reserved word")
    android = _inner(message, "android")
    if not _FCM_DURATION.match(str(android.get("ttl", "0s"))):
        raise invalid("Message", "FCM: android.ttl is a duration such as 3600s")
    if str(android.get("priority", "normal")).lower() not in ("normal", "high"):
        raise invalid("Message", "FCM: android.priority is normal or high")
    return message


def _inner(message: dict[str, Any], name: str) -> dict[str, Any]:
    value = message.get(name, {})
    if not isinstance(value, dict):
        raise invalid("Message", f"FCM: {name} is an object")
    return value


def _bad_attribute(name: str, reason: str) -> AwsError:
    return invalid(f"MessageAttributes {name}", reason)
