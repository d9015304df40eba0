"""What push services answer, and what it means. Vendors are recognised by the form of an answer, not by host name.

Mozilla: JSON with `errno` (autopush errors.md). Apple: JSON with `reason`. WNS: `X-WNS-*` headers. FCM: plain text.
"""

import json
import re
from collections.abc import Mapping

from outgoing.types import HttpResponse
from providers.errors import Codes, Rule, codes_collect
from providers.types import Outcome

KEY_MISMATCH = "vapid_key_mismatch"
KEY_INVALID = "vapid_key_invalid"
SUBSCRIPTION_INVALID = "subscription_invalid"
_WORD = re.compile(r"[A-Za-z0-9 _.-]{1,64}")

_AUTH = Rule(
    Outcome.MISCONFIGURED,
    "it does not accept the app's VAPID credentials",
    "Check the app's contact address and VAPID key; an operator checks the clock of the workers. Then verify the app.",
)
_MISMATCH = Rule(
    Outcome.MISCONFIGURED,
    "the subscription was made with another VAPID key",
    "The page subscribes again with the key of GET /v1/webpush/config and registers the new subscription.",
)
_BLOCKED = Rule(
    Outcome.MISCONFIGURED,
    "it has blocked this sender",
    "Ask the operator of the push service why, and send fewer messages to it until then.",
)
_GONE = Rule(Outcome.ENDPOINT_GONE, "the subscription has expired or was cancelled")
_BUSY = Rule(Outcome.RETRY, "it asks for fewer requests", "Usually temporary. If it lasts, send at a lower `rate`.")
_DOWN = Rule(Outcome.RETRY, "it has an internal problem", "Usually temporary. See the status page of the push service.")
_BAD = Rule(Outcome.REJECTED, "it does not accept this message", "Check the content and the registration.")
_HEADER = Rule(
    Outcome.REJECTED,
    "it does not accept the value of the TTL, Urgency or Topic header",
    "Check `ttl`, `urgency` and `collapse_key`, and report it to the developers of pushhub.",
)
_KEYS = Rule(
    Outcome.REJECTED,
    "it does not accept the encryption of the message",
    "The page subscribes again and registers the new subscription.",
)
_LARGE = Rule(Outcome.REJECTED, "the message is too large for it", "Shorten the content.")
_REDIRECT = Rule(
    Outcome.REJECTED,
    "it redirects to another address, which pushhub never follows",
    "Check that the endpoint belongs to a push service.",
)
_ACCEPTED = Rule(Outcome.ACCEPTED, "it accepted the message")

# (status, the vendor's word): checked second. Many words only repeat what the status says: they are here for readers.
BY_WORD: Mapping[tuple[int, str], Rule] = {
    # Apple, as captured; third-party notes have VapidPkHashMismatch under 403.
    (400, "VapidPkHashMismatch"): _MISMATCH,
    (403, "VapidPkHashMismatch"): _MISMATCH,
    (400, "BadJwtToken"): _AUTH,
    (403, "BadJwtToken"): _AUTH,
    (400, "BadVapidPublicKey"): _AUTH,
    (400, "BadTtl"): _HEADER,
    (400, "BadUrgency"): _HEADER,
    (400, "BadWebPushTopic"): _HEADER,
    (400, "BadRequest"): _BAD,
    (404, "BadPath"): _GONE,
    (410, "Unregistered"): _GONE,
    (429, "TooManyRequests"): _BUSY,
    (500, "InternalServerError"): _DOWN,
    (503, "ServiceUnavailable"): _DOWN,
    # FCM's predecessor.
    (400, "UnauthorizedRegistration"): _AUTH,
    # Mozilla (autopush errors.md). 109 is every VAPID error; the text says whether it is a mismatch.
    (400, "errno 101"): _KEYS,
    (400, "errno 108"): _BAD,
    (400, "errno 109"): _AUTH,
    (400, "errno 110"): _KEYS,
    (400, "errno 111"): _HEADER,
    (400, "errno 112"): _HEADER,
    (400, "errno 113"): _HEADER,
    (401, "errno 109"): _AUTH,
    (404, "errno 102"): _GONE,
    (410, "errno 103"): _GONE,
    (410, "errno 105"): _GONE,
    (410, "errno 106"): _GONE,
    (413, "errno 104"): _LARGE,
    (429, "errno 201"): _BUSY,
    (500, "errno 999"): _DOWN,
    (502, "errno 900"): _DOWN,
    (502, "errno 901"): _DOWN,
    (502, "errno 902"): _DOWN,
    (502, "errno 903"): _DOWN,
    (503, "errno 201"): _BUSY,
    (503, "errno 202"): _BUSY,
    # WNS: `dropped` goes with every refusal.
    (400, "dropped"): _BAD,
    (401, "dropped"): _AUTH,
    (403, "dropped"): _AUTH,
    (404, "dropped"): _GONE,
    (406, "channelthrottled"): _BUSY,
    (410, "dropped"): _GONE,
    (413, "dropped"): _LARGE,
    (500, "dropped"): _DOWN,
    (503, "dropped"): _DOWN,
}

# Parts of free text, case-insensitive, checked first.
BY_TEXT: tuple[tuple[int, str, str, Rule], ...] = (
    (403, "do not correspond to the credentials used to create", KEY_MISMATCH, _MISMATCH),  # FCM
    (401, "vapid public key mismatch", KEY_MISMATCH, _MISMATCH),  # Mozilla
    (403, "vapid key does not match", KEY_MISMATCH, _MISMATCH),  # self-hosted distributors
    (400, "unauthorizedregistration", "UnauthorizedRegistration", _AUTH),
    (410, "domain blocked", "Domain Blocked", _BLOCKED),  # WNS: the other meaning of 410
)

# Everything else by status; a status that is missing here falls under its hundred.
BY_STATUS: Mapping[int, Rule] = {
    401: _AUTH,
    403: _AUTH,
    404: _GONE,
    406: _BUSY,  # WNS throttles with 406; no other push service uses it
    408: _DOWN,
    410: _GONE,
    413: _LARGE,
    425: _DOWN,
    429: _BUSY,
}
BY_HUNDRED: Mapping[int, Rule] = {1: _DOWN, 2: _ACCEPTED, 3: _REDIRECT, 4: _BAD, 5: _DOWN}


# Codes of pushhub's own, for what no push service is asked at all.
_UNSENT: Mapping[str, Rule] = {
    KEY_INVALID: Rule(
        Outcome.MISCONFIGURED, "the app's VAPID private key cannot be used", "Rotate the VAPID key.", answered=False
    ),
    SUBSCRIPTION_INVALID: Rule(
        Outcome.ENDPOINT_GONE,
        "the subscription's public key is not a point on the P-256 curve",
        "The page subscribes again and registers PushSubscription.toJSON() unchanged.",
        answered=False,
    ),
}


CODES: Codes = codes_collect(
    [
        *((KEY_MISMATCH if rule is _MISMATCH else word, rule) for (_, word), rule in BY_WORD.items()),
        *((word, rule) for _, _, word, rule in BY_TEXT),
        *((f"http {status}", rule) for status, rule in BY_STATUS.items()),
        *((f"http {hundred}xx", rule) for hundred, rule in BY_HUNDRED.items() if rule is not _ACCEPTED),
        *_UNSENT.items(),
    ]
)


def classify(reply: HttpResponse) -> tuple[Rule, str]:
    """The rule an answer falls under, and the vendor's word for it (or `http 4xx`)."""
    status = reply.status
    if 200 <= status < 300:
        return _ACCEPTED, ""
    word, text = _vendor_word(reply)
    for known, part, code, rule in BY_TEXT:
        if status == known and part in text:
            return rule, code
    by_word = BY_WORD.get((status, word))
    if by_word is not None:
        return by_word, KEY_MISMATCH if by_word is _MISMATCH else word
    rule = BY_STATUS.get(status) or BY_HUNDRED.get(status // 100, _DOWN)
    return rule, word or f"http {status}"


def _vendor_word(reply: HttpResponse) -> tuple[str, str]:
    """The word to store, and the whole text in lower case, to be searched for known sentences."""
    text = reply.body[:2000].decode("utf-8", "replace")
    headers = reply.headers
    described = f"{text} {headers.get('x-wns-error-description', '')}".lower()
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        if isinstance(parsed.get("errno"), int):
            return f"errno {parsed['errno']}", described
        return _clean(parsed.get("reason")), described
    return _clean(headers.get("x-wns-status")), described


def _clean(word: object) -> str:
    """Unknown servers choose these words: only short plain ones are kept."""
    return word if isinstance(word, str) and _WORD.fullmatch(word) else ""
