from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.engine.circuit_breaker import ASKED_LONGEST, DEVICES, PROBES, CircuitBreaker


def opened(now: float = 0.0, asked: float | None = None) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for device in range(DEVICES):
        breaker.failed(device, now=now, asked=asked)
    return breaker


def test_devices_in_a_row_open_it_and_it_says_so_once() -> None:
    breaker = CircuitBreaker()
    assert [breaker.failed(device, now=0.0) for device in range(DEVICES + 2)] == [False] * (DEVICES - 1) + [
        True,
        False,
        False,
    ]


def test_one_device_never_opens_it() -> None:
    breaker = CircuitBreaker()
    assert not any(breaker.failed(7, now=0.0, asked=120.0) for _ in range(DEVICES * 10))
    assert not breaker.is_open


def test_any_answer_between_begins_the_row_anew() -> None:
    breaker = CircuitBreaker()
    for device in range(DEVICES * 10):
        breaker.failed(device, now=0.0)
        if device % (DEVICES - 1) == 0:
            breaker.answered()
    assert not breaker.is_open


def test_probes_go_out_at_doubling_intervals_up_to_a_minute() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(9):
        wait = breaker.wait(now=now)
        waits.append(wait)
        now += wait
        assert breaker.probe_begin(now=now)
        breaker.failed(1, now=now)
    assert waits == [1, 2, 4, 8, 16, 32, PROBES.cap, PROBES.cap, PROBES.cap]


def test_one_probe_at_a_time() -> None:
    breaker = opened()
    assert [breaker.probe_begin(now=now) for now in (0.5, 1.0, 1.0, 1.9)] == [False, True, False, False]


def test_a_success_closes_it_for_good() -> None:
    breaker = opened()
    breaker.probe_begin(now=1.0)
    breaker.answered()
    assert not breaker.is_open
    assert not breaker.failed(1, now=1.0)


def test_what_was_under_way_when_it_opened_does_not_double_the_wait() -> None:
    breaker = opened()
    for device in range(100):
        breaker.failed(device, now=0.9)
    assert breaker.probe_begin(now=1.0)


@pytest.mark.parametrize(("asked", "wait"), [(None, 1.0), (0.2, 1.0), (120.0, 120.0), (86_400.0, ASKED_LONGEST)])
def test_a_retry_after_is_not_undercut_within_reason(asked: float | None, wait: float) -> None:
    breaker = opened(asked=asked)
    assert not breaker.probe_begin(now=wait - 0.01)
    assert breaker.probe_begin(now=wait)


@given(st.lists(st.tuples(st.sampled_from(["failed", "probe", "answered"]), st.floats(0, 100)), max_size=200))
def test_it_never_stays_open_without_a_probe_in_sight(steps: list[tuple[str, float]]) -> None:
    """Whatever happens in whatever order: within the longest wait, one request may ask again."""
    breaker, now, device = opened(), 0.0, 0
    for step, seconds in steps:
        now, device = now + seconds, device + 1
        if step == "failed":
            breaker.failed(device, now=now)
        elif step == "answered":
            breaker.answered()
        elif breaker.is_open:
            breaker.probe_begin(now=now)
        assert not breaker.is_open or CircuitBreaker.wait(breaker, now=now) <= PROBES.cap
