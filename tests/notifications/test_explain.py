"""The sentences for readers: complete, and right for each kind of case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devices.models import EndpointState
from notifications.explain import REMEDIES, STATES, WAITS, explain
from notifications.reasons import DeliveryReason, reason_of
from notifications.states import DeliveryState
from providers.registry import PROVIDERS, provider_get

NOW = datetime(2026, 11, 25, 19, 29, 30, tzinfo=UTC)
EXPIRED = {"state": "expired", "expires_at": NOW - timedelta(seconds=30)}
WAITING = {"state": "queued", "due_at": NOW + timedelta(seconds=29)}
DOWN = "it has an internal problem"


def what(provider: str = "", **given: Any) -> str:
    found = explain(provider=provider_get(provider) if provider else None, now=NOW, **{"reason": "", **given})
    return found.what


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            WAITING | {"provider": "webpush", "reason": "http 503", "attempts": 3},
            f"The push service answered 503 to the third attempt: {DOWN}. Next try at 19:29:59 UTC.",
        ),
        (
            WAITING | {"provider": "sns", "reason": "Throttled", "attempts": 1},
            "Amazon SNS answered Throttled: it asks for fewer requests per second. Next try at 19:29:59 UTC.",
        ),
        (
            WAITING | {"provider": "webpush", "reason": "transport:timeout", "attempts": 12},
            "The 12th attempt failed: the vendor did not answer in time. Next try at 19:29:59 UTC.",
        ),
        (
            WAITING | {"reason": "credentials_pending"},
            f"{DeliveryReason.CREDENTIALS_PENDING.label} Next try at 19:29:59 UTC.",
        ),
        (WAITING, "It is due at 19:29:59 UTC."),
        (
            {"state": "queued", "due_at": NOW - timedelta(days=1)},
            "It has been due since 2026-11-24 19:29:30 UTC and waits for its lane's turn.",
        ),
        (
            EXPIRED | {"provider": "sns", "reason": "endpoint_pending"},
            "It expired at 19:29:00 UTC while it waited for Amazon SNS to create or update the device's endpoint.",
        ),
        (
            EXPIRED | {"provider": "webpush", "reason": "http 503", "attempts": 2},
            f"The push service answered 503 to the second attempt: {DOWN}. "
            "It expired at 19:29:00 UTC before another attempt.",
        ),
        (EXPIRED | {"reason": "expired"}, "It expired at 19:29:00 UTC before its turn came."),
        (EXPIRED, "It expired at 19:29:00 UTC before its turn came."),
        (
            {"state": "dead", "provider": "webpush", "reason": "http 500", "attempts": 10},
            f"The push service answered 500 to the tenth attempt: {DOWN}. All retries are used up.",
        ),
        ({"state": "dead", "reason": "leases_lost"}, DeliveryReason.LEASES_LOST.label),
        (
            {"state": "gone", "provider": "webpush", "reason": "Unregistered", "attempts": 1},
            "The push service answered Unregistered: the subscription has expired or was cancelled.",
        ),
        (
            {"state": "gone", "provider": "sns", "reason": "InvalidParameter", "attempts": 1},
            "Amazon SNS answered InvalidParameter: the endpoint is disabled or deleted.",
        ),
        (
            {"state": "rejected", "provider": "sns", "reason": "InvalidParameter", "attempts": 1},
            "Amazon SNS answered InvalidParameter: it does not accept this message.",
        ),
        (
            {"state": "rejected", "provider": "webpush", "reason": "PayloadTooLarge", "attempts": 1},
            "The attempt failed: the message is larger than the vendor accepts.",
        ),
        (
            {"state": "rejected", "provider": "webpush", "reason": "NewWord", "attempts": 1},
            "The push service answered NewWord.",
        ),
        ({"state": "rejected", "reason": "NewWord"}, "The vendor answered NewWord."),
        (
            {"state": "undelivered", "provider": "sns", "reason": "InvalidPlatformToken"},
            "Amazon SNS accepted it and reported later InvalidPlatformToken: "
            "Apple or Google no longer knows the device token.",
        ),
        ({"state": "cancelled", "reason": "user_changed"}, DeliveryReason.USER_CHANGED.label),
        (
            {"state": "accepted", "provider": "sns", "reason": "endpoint_pending"},
            "Amazon SNS accepted it. Only the device can report whether it arrived.",
        ),
        ({"state": "opened", "reason": "action:yes"}, "The person opened it with the button “yes”."),
    ],
)
def test_what_happened(given: dict[str, Any], sentence: str) -> None:
    assert what(**given) == sentence


def test_every_state_and_every_reason_has_a_remedy() -> None:
    assert set(STATES) == set(DeliveryState)
    assert set(REMEDIES) == set(DeliveryReason)
    assert set(WAITS) < set(DeliveryReason)


def test_every_endpoint_state_that_ends_a_delivery_has_a_reason() -> None:
    reached = {EndpointState.ACTIVE, EndpointState.SUSPECT}
    assert {f"endpoint_{state}" for state in set(EndpointState) - reached} <= set(DeliveryReason.values)


@pytest.mark.parametrize("state", DeliveryState)
@pytest.mark.parametrize("reason", ["", *DeliveryReason.values, "transport:dns", "http 418", "NewWord"])
def test_every_case_reads_as_sentences(state: DeliveryState, reason: str) -> None:
    found = explain(state=state, reason=reason, provider=provider_get("webpush"), now=NOW, due_at=NOW, expires_at=NOW)
    for text in (found.what, found.remedy):
        assert text[0].isupper()
        assert text.endswith(".")
        assert "{" not in text


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_listed_code_brings_its_own_clause(name: str) -> None:
    provider = provider_get(name)
    for code, rules in provider.codes.items():
        assert rules[0].why in what(provider=name, state="undelivered", reason=code)


def test_the_name_of_an_internal_error_is_no_vendors_code() -> None:
    assert reason_of("internal:KeyError") is DeliveryReason.INTERNAL
    assert reason_of("internals") is None
