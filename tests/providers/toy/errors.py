"""What Toy Push answers."""

from providers.errors import Codes, Rule
from providers.types import Outcome

_REJECTED = Rule(Outcome.REJECTED, "it does not accept this message")
_RETRY = Rule(Outcome.RETRY, "it asks for another attempt")

CODES: Codes = {"http 429": (_RETRY,), "http 4xx": (_REJECTED,)} | {f"http {n}xx": (_RETRY,) for n in (1, 3, 5)}


def classify(status: int) -> Rule:
    return _REJECTED if 400 <= status < 500 and status != 429 else _RETRY
