"""What the error tables of all providers share, and the failures that are no response of a vendor."""

import math
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from outgoing.types import FailureKind, TransportFailure
from providers.types import Outcome, SendResult


class VendorError(Exception):
    """A call to the vendor's control plane failed. `code` is the vendor's own code.

    The vendor's text is not kept: it may quote tokens and other identifiers.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class VendorRetry(VendorError):
    """Not now. `after` is in seconds, None where the vendor did not say."""

    def __init__(self, code: str, after: float | None = None) -> None:
        super().__init__(code)
        self.after = after


class VendorMisconfigured(VendorError):
    """The credentials or settings of the app need an operator or the tenant."""


class AddressRejected(VendorError):
    """The vendor will not take this device's token."""


class AppUnavailable(Exception):
    """The app has no usable credentials: it was removed, or its secrets cannot be read. The text says which."""


class Unsendable(Exception):
    """`Provider.request` cannot make a request of this push; the delivery is settled with `result`."""

    def __init__(self, result: SendResult) -> None:
        super().__init__(result.error_code)
        self.result = result


class PayloadTooLarge(Unsendable):
    """The payload is larger than the vendor accepts. `size` and `limit` are bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(SendResult(outcome=Outcome.REJECTED, error_code="PayloadTooLarge"))


class CredentialsPending(Unsendable):
    """The app's secrets are being read from another service: ask again in `after` seconds."""

    def __init__(self, *, code: str, after: float) -> None:
        super().__init__(SendResult(outcome=Outcome.RETRY, error_code=code, retry_after=after))


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an error table: what a code means, for the dispatcher and for readers.

    `why` is a clause that tenants read after "The push service answered 503:", or after "The attempt failed:" where
    the vendor did not answer (`answered`). `remedy` is one or two sentences; empty means that of the delivery's state.
    """

    outcome: Outcome
    why: str
    remedy: str = ""
    answered: bool = True


Codes = Mapping[str, tuple[Rule, ...]]

_NETWORK = "Usually temporary. If it lasts, an operator checks the network of the workers and the vendor's status page."

TRANSPORT: Mapping[FailureKind, Rule] = {
    FailureKind.TIMEOUT: Rule(Outcome.RETRY, "the vendor did not answer in time", _NETWORK, answered=False),
    FailureKind.CONNECT: Rule(
        Outcome.RETRY,
        "no connection to the vendor could be opened",
        "An operator checks the firewall: workers need outgoing TCP port 443.",
        answered=False,
    ),
    FailureKind.DNS: Rule(
        Outcome.RETRY,
        "the vendor's host name could not be resolved",
        "An operator checks the DNS of the workers.",
        answered=False,
    ),
    FailureKind.REFUSED_ADDRESS: Rule(
        Outcome.REJECTED,
        "the endpoint's host name leads to an address that pushhub may not call, such as a private network",
        "If the address is intended, an operator adds its network to PUSHHUB_ALLOWED_PRIVATE_NETWORKS.",
        answered=False,
    ),
    FailureKind.TLS: Rule(
        Outcome.RETRY,
        "the vendor's certificate could not be verified",
        "An operator checks the clock and the CA certificates of the workers, and that no proxy intercepts TLS.",
        answered=False,
    ),
    FailureKind.RESET: Rule(Outcome.RETRY, "the connection broke before the vendor answered", _NETWORK, answered=False),
    FailureKind.TOO_LARGE: Rule(
        Outcome.RETRY,
        "the answer was larger than pushhub reads",
        "Check that the endpoint belongs to a push service and not to a web page.",
        answered=False,
    ),
    FailureKind.OTHER: Rule(Outcome.RETRY, "the connection failed", _NETWORK, answered=False),
}

# Codes that every provider may store.
COMMON: Codes = {f"transport:{kind}": (rule,) for kind, rule in TRANSPORT.items()} | {
    "PayloadTooLarge": (
        Rule(Outcome.REJECTED, "the message is larger than the vendor accepts", "Shorten the content.", answered=False),
    ),
}


def codes_collect(rules: Iterable[tuple[str, Rule]]) -> Codes:
    """The lines of several tables by their code. A code may have several rules, the first listed first."""
    codes: dict[str, tuple[Rule, ...]] = {}
    for code, rule in rules:
        if rule not in codes.get(code, ()):
            codes[code] = (*codes.get(code, ()), rule)
    return codes


def rule_find(codes: Codes, code: str, outcomes: Collection[Outcome] = ()) -> Rule | None:
    """The rule of a stored code, preferably one with an outcome of `outcomes`; None if no table lists the code.

    `http 418` falls under `http 4xx` if it has no line of its own.
    """
    rules = codes.get(code) or COMMON.get(code) or codes.get(_hundred(code)) or ()
    return next((rule for rule in rules if rule.outcome in outcomes), rules[0] if rules else None)


def _hundred(code: str) -> str:
    status = code.removeprefix("http ")
    return f"http {status[0]}xx" if code.startswith("http ") and status.isdecimal() else ""


def retry_after_seconds(value: str | None, *, now: float | None = None) -> float | None:
    """Seconds a Retry-After header asks for: delta-seconds or an HTTP-date (RFC 9110 §10.2.3), None if neither.

    A date in the past is 0. An invalid value is None, never an exception: the header comes from an unknown server.
    """
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text)
    except ValueError:
        return _until(text, time.time() if now is None else now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(0.0, moment - now)


def transport_result(failure: TransportFailure) -> SendResult:
    """Without an answer, another attempt is always useful, except where the address guard refused the peer: the same
    look-up gives the same peer."""
    return SendResult(outcome=TRANSPORT[failure.kind].outcome, error_code=f"transport:{failure.kind}")
