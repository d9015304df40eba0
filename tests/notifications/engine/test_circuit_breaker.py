from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.engine.circuit_breaker import DEVICES, LONGEST_RETRY_AFTER, PROBES, CircuitBreaker


def opened(now: float = 0.0, retry_after: float | None = None) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for device in range(DEVICES):
        breaker.record_failure(device, now=now, retry_after=retry_after)
    return breaker


def test_failures_of_several_devices_in_a_row_open_it_once() -> None:
    breaker = CircuitBreaker()
    assert [breaker.record_failure(device, now=0.0) for device in range(DEVICES + 2)] == [False] * (DEVICES - 1) + [
        True,
        False,
        False,
    ]


def test_one_device_never_opens_it() -> None:
    breaker = CircuitBreaker()
    assert not any(breaker.record_failure(7, now=0.0, retry_after=120.0) for _ in range(DEVICES * 10))
    assert breaker.is_closed


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = CircuitBreaker()
    for device in range(DEVICES * 10):
        breaker.record_failure(device, now=0.0)
        if device % (DEVICES - 1) == 0:
            breaker.record_success()
    assert breaker.is_closed


def test_intervals_between_probes_double_up_to_a_minute() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(9):
        wait = breaker.retry_in(now=now)
        waits.append(wait)
        now += wait
        assert breaker.try_half_open(now=now)
        breaker.record_failure(1, now=now)
    assert waits == [1, 2, 4, 8, 16, 32, PROBES.cap, PROBES.cap, PROBES.cap]


def test_one_probe_at_a_time() -> None:
    breaker = opened()
    assert [breaker.try_half_open(now=now) for now in (0.5, 1.0, 1.0, 1.9)] == [False, True, False, False]


def test_a_success_closes_it() -> None:
    breaker = opened()
    breaker.try_half_open(now=1.0)
    breaker.record_success()
    assert breaker.is_closed
    assert not breaker.record_failure(1, now=1.0)


def test_requests_in_flight_when_it_opened_do_not_double_the_wait() -> None:
    breaker = opened()
    for device in range(100):
        breaker.record_failure(device, now=0.9)
    assert breaker.try_half_open(now=1.0)


@pytest.mark.parametrize(
    ("retry_after", "wait"), [(None, 1.0), (0.2, 1.0), (120.0, 120.0), (86_400.0, LONGEST_RETRY_AFTER)]
)
def test_a_retry_after_of_some_minutes_is_respected(retry_after: float | None, wait: float) -> None:
    breaker = opened(retry_after=retry_after)
    assert not breaker.try_half_open(now=wait - 0.01)
    assert breaker.try_half_open(now=wait)


@given(st.lists(st.tuples(st.sampled_from(["failure", "probe", "success"]), st.floats(0, 100)), max_size=200))
def test_a_probe_is_always_due_within_the_longest_wait(steps: list[tuple[str, float]]) -> None:
    breaker, now, device = opened(), 0.0, 0
    for step, seconds in steps:
        now, device = now + seconds, device + 1
        if step == "failure":
            breaker.record_failure(device, now=now)
        elif step == "success":
            breaker.record_success()
        elif not breaker.is_closed:
            breaker.try_half_open(now=now)
        assert breaker.is_closed or breaker.retry_in(now=now) <= PROBES.cap
