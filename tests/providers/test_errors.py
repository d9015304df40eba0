"""What all error tables share: the rule of a stored code, and Retry-After in all the ways it is written."""

import pytest

from providers.errors import Codes, Rule, codes_collect, retry_after_seconds, rule_find
from providers.types import Outcome

GONE = Rule(Outcome.ENDPOINT_GONE, "the endpoint is deleted")
BAD = Rule(Outcome.REJECTED, "it does not accept this message")
CODES: Codes = codes_collect([("Invalid", BAD), ("Invalid", GONE), ("http 400", GONE), ("http 4xx", BAD)])


@pytest.mark.parametrize(
    ("code", "outcome", "rule"),
    [
        ("Invalid", Outcome.REJECTED, BAD),
        ("Invalid", Outcome.ENDPOINT_GONE, GONE),
        ("Invalid", Outcome.RETRY, BAD),
        ("http 400", Outcome.REJECTED, GONE),
        ("http 418", Outcome.REJECTED, BAD),
        ("http 503", Outcome.RETRY, None),
        ("http x", Outcome.REJECTED, None),
        ("Unknown", Outcome.REJECTED, None),
        ("", Outcome.REJECTED, None),
    ],
)
def test_the_rule_of_a_stored_code(code: str, outcome: Outcome, rule: Rule | None) -> None:
    assert rule_find(CODES, code, {outcome}) is rule


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("-5", 0.0),
        ("1.5", 1.5),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:10 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, now=60.0) == seconds
