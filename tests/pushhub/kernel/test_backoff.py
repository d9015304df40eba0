from __future__ import annotations

import pytest

from pushhub.kernel.backoff import Backoff, spread

BACKOFF = Backoff(base=2.0, cap=900.0)


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 2.0), (1, 4.0), (3, 16.0), (8, 512.0), (9, 900.0)])
def test_the_wait_doubles_up_to_the_cap(attempt: int, seconds: float) -> None:
    assert BACKOFF.longest(attempt) == seconds


def test_a_very_large_number_of_attempts_reaches_the_cap() -> None:
    assert BACKOFF.longest(1_000_000) == 900.0


def test_full_jitter_is_at_most_the_longest_wait() -> None:
    assert BACKOFF.full_jitter(3, random=lambda: 0.0) == 0.0
    assert BACKOFF.full_jitter(3, random=lambda: 0.5) == 8.0
    assert all(0.0 <= BACKOFF.full_jitter(3) < 16.0 for _ in range(100))


def test_the_wait_is_at_least_retry_after() -> None:
    assert BACKOFF.full_jitter(3, retry_after=30.0, random=lambda: 0.0) == 30.0
    assert BACKOFF.full_jitter(3, retry_after=30.0, random=lambda: 0.5) == 38.0
    assert BACKOFF.full_jitter(3, retry_after=1000.0, random=lambda: 0.0) == 1000.0


def test_the_next_wait_is_twice_the_last_up_to_the_cap() -> None:
    assert [BACKOFF.after(2.0), BACKOFF.after(500.0), BACKOFF.after(900.0)] == [4.0, 900.0, 900.0]


def test_a_spread_stays_between_its_bounds() -> None:
    assert spread(0.5, 1.5, random=lambda: 0.5) == 1.0
    assert all(0.5 <= spread(0.5, 1.5) < 1.5 for _ in range(100))
