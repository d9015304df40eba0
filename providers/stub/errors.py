"""The stub's answers: one status for each outcome."""

from collections.abc import Mapping

from providers.errors import Rule
from providers.types import Outcome

BY_STATUS: Mapping[int, Rule] = {
    400: Rule(Outcome.REJECTED, "scripted: rejected"),
    401: Rule(Outcome.MISCONFIGURED, "scripted: misconfigured"),
    410: Rule(Outcome.ENDPOINT_GONE, "scripted: gone"),
    503: Rule(Outcome.RETRY, "scripted: retry"),
}
_OK = Rule(Outcome.ACCEPTED, "accepted")
_BAD = Rule(Outcome.REJECTED, "no such answer is scripted")
_DOWN = Rule(Outcome.RETRY, "the stub is in trouble")


def classify(status: int) -> Rule:
    if 200 <= status < 300:
        return _OK
    return BY_STATUS.get(status) or (_BAD if 300 <= status < 500 and status != 429 else _DOWN)
