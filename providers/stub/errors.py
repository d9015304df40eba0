"""The stub's answers: one status for each outcome."""

from collections.abc import Mapping

from providers.errors import Codes, Rule
from providers.types import Outcome

BY_STATUS: Mapping[int, Rule] = {
    400: Rule(Outcome.REJECTED, "the script rejects this message"),
    401: Rule(Outcome.MISCONFIGURED, "the script refuses the app's credentials"),
    410: Rule(Outcome.ENDPOINT_GONE, "the script says that the device is gone"),
    503: Rule(Outcome.RETRY, "the script asks for another attempt"),
}
_OK = Rule(Outcome.ACCEPTED, "it accepted the message")
_BAD = Rule(Outcome.REJECTED, "no such answer is scripted")
_DOWN = Rule(Outcome.RETRY, "it has an internal problem")


def classify(status: int) -> Rule:
    if 200 <= status < 300:
        return _OK
    return BY_STATUS.get(status) or (_BAD if 300 <= status < 500 and status != 429 else _DOWN)


CODES: Codes = {f"http {status}": (classify(status),) for status in (*BY_STATUS, 429)} | {
    f"http {hundred}xx": (classify(hundred * 100 + 99),) for hundred in (1, 3, 4, 5)
}
