from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.engine.concurrency import BACKPRESSURE_DEVICES, FLOOR, START, ConcurrencyLimiter

WINDOW = 512


def round_trip(limiter: ConcurrencyLimiter, now: float, seconds: float = 0.05) -> float:
    """As many responses as requests may be in flight; the time after them."""
    for _ in range(int(limiter.limit)):
        limiter.on_response(seconds, now=now + seconds)
    return now + seconds


def grown(now: float = 0.0) -> ConcurrencyLimiter:
    limiter = ConcurrencyLimiter(WINDOW)
    for _ in range(5):
        now = round_trip(limiter, now)
    return limiter


def backpressure(
    limiter: ConcurrencyLimiter, now: float, devices: int = BACKPRESSURE_DEVICES, times: int = 200
) -> None:
    for number in range(times):
        limiter.on_backpressure(number % devices, now=now)


def test_a_host_without_resistance_gets_the_window_within_five_round_trips() -> None:
    limiter = ConcurrencyLimiter(WINDOW)
    assert limiter.limit == START
    assert grown().limit == WINDOW


def test_backpressure_halves_the_limit_once_a_round_trip() -> None:
    limiter = grown()
    backpressure(limiter, now=10.0)
    assert limiter.limit == WINDOW / 2
    backpressure(limiter, now=10.05)
    assert limiter.limit == WINDOW / 2
    backpressure(limiter, now=10.2)
    assert limiter.limit == WINDOW / 4


def test_after_a_decrease_it_grows_by_one_a_round_trip() -> None:
    limiter = grown()
    backpressure(limiter, now=10.0)
    round_trip(limiter, 11.0)
    assert WINDOW / 2 + 0.9 < limiter.limit <= WINDOW / 2 + 1


def test_backpressure_on_one_device_changes_nothing() -> None:
    limiter = grown()
    backpressure(limiter, now=10.0, devices=1, times=10_000)
    assert limiter.limit == WINDOW


def test_backpressure_on_few_of_many_requests_changes_nothing() -> None:
    limiter = grown()
    for _ in range(4):
        round_trip(limiter, 10.0)
    backpressure(limiter, now=11.0, times=50)
    assert limiter.limit == WINDOW


def test_latency_far_above_its_least_decreases_the_limit() -> None:
    limiter, now = grown(), 1.0
    for _ in range(10):
        now = round_trip(limiter, now, seconds=3.0)
    assert limiter.limit < WINDOW / 2


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6])
def test_ordinary_queueing_changes_nothing(seconds: float) -> None:
    limiter, now = grown(), 1.0
    for _ in range(10):
        now = round_trip(limiter, now, seconds=seconds)
    assert limiter.limit == WINDOW


def test_latency_above_its_least_stops_the_growth() -> None:
    limiter = ConcurrencyLimiter(WINDOW)
    limiter.on_response(0.01, now=0.0)
    now = 0.0
    for _ in range(20):
        now = round_trip(limiter, now, seconds=0.9)
    assert START <= limiter.limit < 4 * START


@given(
    ceiling=st.integers(1, WINDOW),
    steps=st.lists(st.tuples(st.booleans(), st.floats(0, 30), st.integers(0, 9)), max_size=300),
)
def test_the_limit_stays_between_floor_and_ceiling(ceiling: int, steps: list[tuple[bool, float, int]]) -> None:
    limiter, now = ConcurrencyLimiter(ceiling), 0.0
    for resists, seconds, device in steps:
        now += seconds
        if resists:
            limiter.on_backpressure(device, now=now)
        else:
            limiter.on_response(seconds, now=now)
        assert min(FLOOR, ceiling) <= limiter.limit <= ceiling


def test_a_slow_host_is_measured_also_within_a_machines_first_minute() -> None:
    limiter = ConcurrencyLimiter(WINDOW)
    limiter.on_response(1.0, now=5.0)
    assert limiter.limit == START + 1
