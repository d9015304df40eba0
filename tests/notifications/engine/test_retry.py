from __future__ import annotations

import pytest

from notifications.engine.retry import MAX_ATTEMPTS, RetryDecision, next_attempt
from notifications.states import DeliveryState
from providers.types import Outcome, SendResult

NOW = 1_000_000.0
HOUR = NOW + 3600


def decide(*, attempt: int, retry_after: float | None = None, expires_at: float = HOUR, random: float) -> RetryDecision:
    result = SendResult(outcome=Outcome.RETRY, retry_after=retry_after)
    return next_attempt(attempt=attempt, result=result, now=NOW, expires_at=expires_at, random=lambda: random)


@pytest.mark.parametrize(
    ("attempt", "retry_after", "random", "wait"),
    [
        (1, None, 0.0, 0.0),  # full jitter: from nothing
        (1, None, 0.5, 1.0),
        (2, None, 0.5, 2.0),
        (3, None, 0.5, 4.0),
        (9, None, 1.0, 512.0),  # doubled for the ninth time
        (1, 30.0, 0.0, 30.0),  # never earlier than requested
        (1, 30.0, 0.5, 31.0),  # and not all at the requested moment
        (1, 0.0, 0.5, 1.0),  # a Retry-After in the past has no effect
    ],
)
def test_the_wait(attempt: int, retry_after: float | None, random: float, wait: float) -> None:
    decision = decide(attempt=attempt, retry_after=retry_after, random=random)
    assert decision == RetryDecision(DeliveryState.QUEUED, wait)


def test_the_wait_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.engine.retry.MAX_ATTEMPTS", 100)
    assert decide(attempt=50, random=1.0).wait == 600.0


@pytest.mark.parametrize(("retry_after", "random"), [(3600.0, 0.0), (7200.0, 0.0), (3599.5, 0.5)])
def test_a_retry_after_the_expiry_is_not_made(retry_after: float, random: float) -> None:
    assert decide(attempt=1, retry_after=retry_after, random=random).state == DeliveryState.EXPIRED


def test_the_last_attempt_ends_dead() -> None:
    assert decide(attempt=MAX_ATTEMPTS - 1, random=0.0).state == DeliveryState.QUEUED
    assert decide(attempt=MAX_ATTEMPTS, random=0.0).state == DeliveryState.DEAD
