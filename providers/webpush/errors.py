"""What push services answer, and what it means. Vendors are told apart by how they word an answer, not by host name.

Mozilla: JSON with `errno` (autopush errors.md). Apple: JSON with `reason`. WNS: `X-WNS-*` headers. FCM: plain text.
"""

import json
import re
from collections.abc import Mapping

from outgoing.types import HttpResponse
from providers.errors import Rule
from providers.types import Outcome

KEY_MISMATCH = "vapid_key_mismatch"
_WORD = re.compile(r"[A-Za-z0-9 _.-]{1,64}")

_OURS = Rule(Outcome.MISCONFIGURED, "the push service does not accept our VAPID credentials")
_MISMATCH = Rule(Outcome.MISCONFIGURED, "the subscription was made with another VAPID key")
_BLOCKED = Rule(Outcome.MISCONFIGURED, "the push service has blocked this sender")
_GONE = Rule(Outcome.ENDPOINT_GONE, "the subscription has expired or was cancelled")
_BUSY = Rule(Outcome.RETRY, "the push service asks us to slow down")
_DOWN = Rule(Outcome.RETRY, "the push service is in trouble")
_BAD = Rule(Outcome.REJECTED, "the push service does not accept this message")
_LARGE = Rule(Outcome.REJECTED, "the message is too large for this push service")
_REDIRECT = Rule(Outcome.REJECTED, "the push service redirected us, which we never follow")
_ACCEPTED = Rule(Outcome.ACCEPTED, "accepted")

# (status, the vendor's word): asked first.
BY_WORD: Mapping[tuple[int, str], Rule] = {
    (400, "VapidPkHashMismatch"): _MISMATCH,  # Apple, as captured; third-party notes have it under 403
    (403, "VapidPkHashMismatch"): _MISMATCH,
    (400, "BadJwtToken"): _OURS,
    (403, "BadJwtToken"): _OURS,
    (400, "BadVapidPublicKey"): _OURS,
    (400, "UnauthorizedRegistration"): _OURS,  # FCM's predecessor
    (400, "errno 109"): _OURS,
    (401, "errno 109"): _OURS,  # Mozilla: every VAPID fault; the text tells a mismatch
    (404, "errno 102"): _GONE,
    (410, "errno 103"): _GONE,
    (410, "errno 105"): _GONE,
    (410, "errno 106"): _GONE,
    (503, "errno 201"): _BUSY,
    (503, "errno 202"): _BUSY,
}

# Parts of free text, in any case, asked second.
BY_TEXT: tuple[tuple[int, str, str, Rule], ...] = (
    (403, "do not correspond to the credentials used to create", KEY_MISMATCH, _MISMATCH),  # FCM
    (401, "vapid public key mismatch", KEY_MISMATCH, _MISMATCH),  # Mozilla
    (403, "vapid key does not match", KEY_MISMATCH, _MISMATCH),  # self-hosted distributors
    (400, "unauthorizedregistration", "UnauthorizedRegistration", _OURS),
    (410, "domain blocked", "Domain Blocked", _BLOCKED),  # WNS: the other meaning of 410
)

# Everything else by status; what is missing falls to its hundred.
BY_STATUS: Mapping[int, Rule] = {
    401: _OURS,
    403: _OURS,
    404: _GONE,
    406: _BUSY,  # WNS throttles with 406; nobody else has a use for it here
    408: _DOWN,
    410: _GONE,
    413: _LARGE,
    425: _DOWN,
    429: _BUSY,
}
BY_HUNDRED: Mapping[int, Rule] = {1: _DOWN, 2: _ACCEPTED, 3: _REDIRECT, 4: _BAD, 5: _DOWN}


def classify(answer: HttpResponse) -> tuple[Rule, str]:
    """The rule an answer falls under, and the vendor's word for it (or `http 4xx`)."""
    status = answer.status
    if 200 <= status < 300:
        return _ACCEPTED, ""
    word, text = _vendor_word(answer)
    for known, part, code, rule in BY_TEXT:
        if status == known and part in text:
            return rule, code
    by_word = BY_WORD.get((status, word))
    if by_word is not None:
        return by_word, KEY_MISMATCH if by_word is _MISMATCH else word
    rule = BY_STATUS.get(status) or BY_HUNDRED.get(status // 100, _DOWN)
    return rule, word or f"http {status}"


def _vendor_word(answer: HttpResponse) -> tuple[str, str]:
    """The word worth keeping, and the whole text in lower case to look for known sentences in."""
    text = answer.body[:2000].decode("utf-8", "replace")
    headers = answer.headers
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
    """Strangers choose these words; only short plain ones are kept."""
    return word if isinstance(word, str) and _WORD.fullmatch(word) else ""
