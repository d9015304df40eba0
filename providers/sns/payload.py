"""What SNS sends to APNs, FCM and ADM: `MessageStructure=json`, one platform's JSON as a string (SNS Publish API)."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from providers.errors import Unsendable
from providers.merge import deep_merge
from providers.types import Message, Outcome, Push, SendResult, Urgency

MAX_PAYLOAD = 4096  # of APNs and of FCM; SNS itself would take 256 KiB
MAX_TTL = 28 * 24 * 3600  # FCM's, and SNS's own default of four weeks
APPLE = frozenset({"APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "MACOS", "MACOS_SANDBOX"})
GOOGLE = "GCM"  # what SNS still calls Firebase Cloud Messaging
AMAZON = "ADM"
PLATFORMS = APPLE | {GOOGLE, AMAZON}
_COLLAPSE_ID = 64  # bytes, APNs' limit


def platform_payload(push: Push, platform: str) -> bytes:
    """The JSON for the platform. Raises Unsendable for a platform that pushhub has no payload for."""
    if platform in APPLE:
        content = _apns(push)
    elif platform == GOOGLE:
        content = {"fcmV1Message": {"message": _fcm(push)}}
    elif platform == AMAZON:
        content = _adm(push)
    else:
        raise Unsendable(SendResult(outcome=Outcome.REJECTED, error_code="PlatformUnsupported"))
    return _json(content)


def publish_message(push: Push, platform: str, payload: bytes) -> str:
    """The `Message` parameter: the endpoint's platform gets `payload`; `default` is mandatory and never used."""
    text = push.message.body or push.message.title or "notification"
    return _json({"default": text, platform: payload.decode()}).decode()


def publish_attributes(push: Push, platform: str) -> dict[str, str]:
    """Reserved message attributes, name → StringValue. A TTL is always sent: without one SNS tries for four weeks."""
    message = push.message
    attributes = {f"AWS.SNS.MOBILE.{platform}.TTL": str(min(push.ttl, MAX_TTL))}
    if platform.startswith("APNS"):
        attributes["AWS.SNS.MOBILE.APNS.PUSH_TYPE"] = _push_type(message, platform)
        attributes["AWS.SNS.MOBILE.APNS.PRIORITY"] = "5" if message.silent or _is_low(message) else "10"
        if message.collapse_key and "VOIP" not in platform:  # a call never replaces another
            attributes["AWS.SNS.MOBILE.APNS.COLLAPSE_ID"] = collapse_id(message.collapse_key)
    return attributes


def collapse_id(key: str) -> str:
    """The key itself where APNs can carry it in a header, else a hash of it."""
    if key.isascii() and key.isprintable() and len(key) <= _COLLAPSE_ID and key == key.strip():
        return key
    return urlsafe_b64encode(sha256(key.encode("utf-8", "replace")).digest()).rstrip(b"=").decode("ascii")


def _push_type(message: Message, platform: str) -> str:
    if "VOIP" in platform:
        return "voip"
    return "background" if message.silent else "alert"


def _apns(push: Push) -> dict[str, Any]:
    message = push.message
    content = _drop_empty(
        {
            "aps": {"content-available": 1} if message.silent else _aps(message),
            "url": message.url,
            "image": message.image,
            "data": dict(message.data),
        }
    )
    content = deep_merge(content, message.overrides.get("apns", {}))
    content["pushhub"] = _ids(push)
    return content


def _aps(message: Message) -> dict[str, Any]:
    aps = _drop_empty(
        {
            "alert": _drop_empty({"title": message.title, "body": message.body}),
            "sound": "" if _is_low(message) else "default",
            "category": message.category,
            "thread-id": message.collapse_key or message.category,
        }
    )
    if message.badge is not None:
        aps["badge"] = message.badge
    if message.image:
        aps["mutable-content"] = 1  # lets the app's service extension fetch the picture
    return aps


def _fcm(push: Push) -> dict[str, Any]:
    message = push.message
    high = message.urgency is Urgency.HIGH
    android: dict[str, Any] = {
        "priority": "high" if high else "normal",
        "ttl": f"{min(push.ttl, MAX_TTL)}s",
        "collapse_key": message.collapse_key,
    }
    content: dict[str, Any] = {}
    if not message.silent:
        content["notification"] = {"title": message.title, "body": message.body, "image": message.image}
        android["notification"] = _android_notification(message)
    content = {name: _drop_empty(value) for name, value in (content | {"android": android}).items()}
    content["data"] = _string_data(message)
    content = deep_merge(content, message.overrides.get("fcm", {}))
    content["data"] = dict(content["data"]) if isinstance(content["data"], Mapping) else {}
    content["data"]["pushhub"] = _json(_ids(push)).decode()
    return content


def _android_notification(message: Message) -> dict[str, Any]:
    # Always a tag: a repeat after a crash then replaces the first notification instead of being a second one.
    fields: dict[str, Any] = {"tag": message.collapse_key or message.notification_id}
    return fields if message.badge is None else fields | {"notification_count": message.badge}


def _adm(push: Push) -> dict[str, Any]:
    """Amazon Device Messaging has data only: the app decides what it shows."""
    message = push.message
    shown = {} if message.silent else {"title": message.title, "body": message.body, "image": message.image}
    content = _drop_empty({"consolidationKey": message.collapse_key, "expiresAfter": min(push.ttl, MAX_TTL)})
    content["data"] = _drop_empty(shown) | _string_data(message) | {"pushhub": _json(_ids(push)).decode()}
    return content


def fcm_reserved(message: Message) -> list[str]:
    """JSON Pointers of the data members for which FCM would refuse the whole message (FCM: `Message.data`)."""
    override = message.overrides.get("fcm", {}).get("data")
    places = {"/content/data": message.data, "/overrides/fcm/data": override if isinstance(override, Mapping) else {}}
    return [f"{place}/{key}" for place, data in places.items() for key in data if _is_reserved(key)]


def _string_data(message: Message) -> dict[str, str]:
    """FCM takes strings only, so other values are sent as JSON. Acceptance refuses reserved keys. They are left out
    here too, because the app may have been added after the message was accepted."""
    fields = {key: value for key, value in message.data.items() if not _is_reserved(key)}
    ours = _drop_empty({"url": message.url, "category": message.category, "actions": _actions(message)})
    return {key: value if isinstance(value, str) else _json(value).decode() for key, value in (ours | fields).items()}


def _is_reserved(key: str) -> bool:
    return key in ("from", "message_type") or key.startswith(("google.", "gcm."))


def _actions(message: Message) -> list[dict[str, str]]:
    return [{"id": action.id, "title": action.title} for action in message.actions]


def _ids(push: Push) -> dict[str, Any]:
    message = push.message
    ids = {
        "mapping": push.mapping_id,
        "notification": message.notification_id,
        "delivery": push.delivery_id,
        "receipt": push.receipt,
    }
    return _drop_empty(ids)


def _is_low(message: Message) -> bool:
    return message.urgency in (Urgency.LOW, Urgency.VERY_LOW)


def _drop_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ("", [], {})}


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
