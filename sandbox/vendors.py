"""The wording of refusals by each push service: `plain` follows the RFCs, the others follow captured responses."""

import json
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web


class Fault(StrEnum):
    AUTH_MISSING = "auth_missing"
    AUTH_INVALID = "auth_invalid"
    KEY_MISMATCH = "key_mismatch"
    NOT_FOUND = "not_found"
    GONE = "gone"
    TOO_LARGE = "too_large"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    SERVER_ERROR = "server_error"
    BAD_TTL = "bad_ttl"
    BAD_TOPIC = "bad_topic"
    BAD_URGENCY = "bad_urgency"
    BAD_MESSAGE = "bad_message"


# The Step names of sandbox.behaviour that lead to a refusal.
FAULT_BY_STEP = {
    "gone": Fault.GONE,
    "not_found": Fault.NOT_FOUND,
    "too_large": Fault.TOO_LARGE,
    "throttle": Fault.THROTTLED,
    "unavailable": Fault.UNAVAILABLE,
    "server_error": Fault.SERVER_ERROR,
    "forbidden": Fault.KEY_MISMATCH,
}


@dataclass(frozen=True, slots=True)
class VendorResponse:
    status: int
    word: str = ""
    errno: int = 0


_PLAIN = {
    Fault.AUTH_MISSING: VendorResponse(401, "missing authorization"),
    Fault.AUTH_INVALID: VendorResponse(403, "invalid VAPID credentials"),
    Fault.KEY_MISMATCH: VendorResponse(403, "VAPID key does not match the subscription"),
    Fault.NOT_FOUND: VendorResponse(404, "no such subscription"),
    Fault.GONE: VendorResponse(410, "the subscription is gone"),
    Fault.TOO_LARGE: VendorResponse(413, "payload too large"),
    Fault.THROTTLED: VendorResponse(429, "too many requests"),
    Fault.UNAVAILABLE: VendorResponse(503, "service unavailable"),
    Fault.SERVER_ERROR: VendorResponse(500, "internal error"),
    Fault.BAD_TTL: VendorResponse(400, "bad TTL"),
    Fault.BAD_TOPIC: VendorResponse(400, "bad Topic"),
    Fault.BAD_URGENCY: VendorResponse(400, "bad Urgency"),
    Fault.BAD_MESSAGE: VendorResponse(400, "bad message"),
}
_FCM = _PLAIN | {
    Fault.KEY_MISMATCH: VendorResponse(
        403,
        "the VAPID credentials in the authorization header do not correspond to the credentials used to create the "
        "subscriptions.",
    ),
    Fault.GONE: VendorResponse(410, "push subscription has unsubscribed or expired."),
}
_MOZILLA = {
    Fault.AUTH_MISSING: VendorResponse(401, "Unauthorized", 109),
    Fault.AUTH_INVALID: VendorResponse(401, "Unauthorized", 109),
    Fault.KEY_MISMATCH: VendorResponse(401, "VAPID public key mismatch", 109),
    Fault.NOT_FOUND: VendorResponse(404, "Not Found", 102),
    Fault.GONE: VendorResponse(410, "Gone", 103),
    Fault.TOO_LARGE: VendorResponse(413, "Payload Too Large", 104),
    Fault.THROTTLED: VendorResponse(503, "Service Unavailable", 201),
    Fault.UNAVAILABLE: VendorResponse(503, "Service Unavailable", 202),
    Fault.SERVER_ERROR: VendorResponse(500, "Internal Server Error", 999),
    Fault.BAD_TTL: VendorResponse(400, "Bad Request", 111),
    Fault.BAD_TOPIC: VendorResponse(400, "Bad Request", 113),
    Fault.BAD_URGENCY: VendorResponse(400, "Bad Request", 110),
    Fault.BAD_MESSAGE: VendorResponse(400, "Bad Request", 110),
}
_APPLE = {
    Fault.AUTH_MISSING: VendorResponse(403, "BadJwtToken"),
    Fault.AUTH_INVALID: VendorResponse(403, "BadJwtToken"),
    Fault.KEY_MISMATCH: VendorResponse(400, "VapidPkHashMismatch"),
    Fault.NOT_FOUND: VendorResponse(404, "BadPath"),
    Fault.GONE: VendorResponse(410, "Unregistered"),
    Fault.TOO_LARGE: VendorResponse(413, "PayloadTooLarge"),
    Fault.THROTTLED: VendorResponse(429, "TooManyRequests"),
    Fault.UNAVAILABLE: VendorResponse(503, "ServiceUnavailable"),
    Fault.SERVER_ERROR: VendorResponse(500, "InternalServerError"),
    Fault.BAD_TTL: VendorResponse(400, "BadTtl"),
    Fault.BAD_TOPIC: VendorResponse(400, "BadWebPushTopic"),
    Fault.BAD_URGENCY: VendorResponse(400, "BadUrgency"),
    Fault.BAD_MESSAGE: VendorResponse(400, "BadRequest"),
}
_WNS = _PLAIN | {
    Fault.KEY_MISMATCH: VendorResponse(401, "Unauthorized"),
    Fault.AUTH_INVALID: VendorResponse(401, "Unauthorized"),
    Fault.GONE: VendorResponse(410, "Gone"),
    Fault.THROTTLED: VendorResponse(406, "Not Acceptable"),
}
_TABLES = {"plain": _PLAIN, "fcm": _FCM, "mozilla": _MOZILLA, "apple": _APPLE, "wns": _WNS}
STYLES = frozenset(_TABLES)
_WITH_RETRY_AFTER = (Fault.THROTTLED, Fault.UNAVAILABLE)


def refusal(style: str, fault: Fault, *, detail: str = "", retry_after: float = 1.0) -> web.Response:
    """The vendor's response. `detail` is for the developer and appears where the vendor sends free text."""
    vendor = _TABLES[style][fault]
    headers = {"Retry-After": str(round(retry_after))} if fault in _WITH_RETRY_AFTER else {}
    if style == "mozilla" and fault is Fault.GONE:
        headers["Cache-Control"] = "max-age=86400"
    if style == "apple":
        return web.json_response({"reason": vendor.word}, status=vendor.status, headers=headers)
    if style == "mozilla":
        return web.Response(
            status=vendor.status,
            body=_autopush_body(vendor, detail),
            headers=headers,
            content_type="application/json",
        )
    if style == "wns":
        headers["X-WNS-Status"] = "channelthrottled" if fault is Fault.THROTTLED else "dropped"
    text = vendor.word if style == "fcm" else ": ".join(filter(None, (vendor.word, detail)))
    return web.Response(status=vendor.status, text=text + "\n", headers=headers)


def _autopush_body(vendor: VendorResponse, detail: str) -> bytes:
    fields = {
        "code": vendor.status,
        "errno": vendor.errno,
        "error": vendor.word,
        "message": detail or vendor.word,
    }
    return json.dumps(fields).encode()
