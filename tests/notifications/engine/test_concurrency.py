from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.engine.concurrency import FLOOR, PUSHING_DEVICES, START, ConcurrencyLimiter

WINDOW = 512


def round_trip(limiter: ConcurrencyLimiter, now: float, seconds: float = 0.05) -> float:
    """As many answers as may be under way; the time after it."""
    for _ in range(int(limiter.limit)):
        limiter.answered(seconds, now=now + seconds)
    return now + seconds


def grown(now: float = 0.0) -> ConcurrencyLimiter:
    limiter = ConcurrencyLimiter(WINDOW)
    for _ in range(5):
        now = round_trip(limiter, now)
    return limiter


def push_back(limiter: ConcurrencyLimiter, now: float, devices: int = PUSHING_DEVICES, times: int = 200) -> None:
    for number in range(times):
        limiter.on_backpressure(number % devices, now=now)


def test_a_host_that_takes_everything_gets_the_window_within_five_round_trips() -> None:
    limiter = ConcurrencyLimiter(WINDOW)
    assert limiter.limit == START
    assert grown().limit == WINDOW


def test_pushing_back_halves_once_a_round_trip() -> None:
    limiter = grown()
    push_back(limiter, now=10.0)
    assert limiter.limit == WINDOW / 2
    push_back(limiter, now=10.05)
    assert limiter.limit == WINDOW / 2
    push_back(limiter, now=10.2)
    assert limiter.limit == WINDOW / 4


def test_then_it_grows_by_one_a_round_trip() -> None:
    limiter = grown()
    push_back(limiter, now=10.0)
    round_trip(limiter, 11.0)
    assert WINDOW / 2 + 0.9 < limiter.limit <= WINDOW / 2 + 1


def test_one_device_that_is_pushed_back_is_its_own_affair() -> None:
    limiter = grown()
    push_back(limiter, now=10.0, devices=1, times=10_000)
    assert limiter.limit == WINDOW


def test_a_few_among_many_are_their_own_affair() -> None:
    limiter = grown()
    for _ in range(4):
        round_trip(limiter, 10.0)
    push_back(limiter, now=11.0, times=50)
    assert limiter.limit == WINDOW


def test_latency_far_above_its_least_makes_it_give_way() -> None:
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
    limiter.answered(0.01, now=0.0)
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
    for pushes, seconds, device in steps:
        now += seconds
        if pushes:
            limiter.on_backpressure(device, now=now)
        else:
            limiter.answered(seconds, now=now)
        assert min(FLOOR, ceiling) <= limiter.limit <= ceiling


def test_a_slow_host_is_learnt_also_within_a_machines_first_minute() -> None:
    limiter = ConcurrencyLimiter(WINDOW)
    limiter.answered(1.0, now=5.0)
    assert limiter.limit == START + 1
