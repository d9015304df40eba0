from __future__ import annotations

import time
from dataclasses import replace

import pytest

from notifications.engine import settle_buffer
from notifications.engine.settle_buffer import SETTLE_ROWS, SETTLE_SECONDS, SettleBuffer
from notifications.engine.types import Settlement
from notifications.states import DeliveryClass, DeliveryState
from tests.notifications.builders import claimed_make

BULK, TRANSACTIONAL = DeliveryClass.BULK, DeliveryClass.TRANSACTIONAL


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the flushes."""
    sizes: list[int] = []
    monkeypatch.setattr(settle_buffer, "settle", lambda settlements: sizes.append(len(settlements)))
    return sizes


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def result(delivery_class: DeliveryClass) -> Settlement:
    delivery = claimed_make()
    return Settlement(
        replace(delivery, lane=replace(delivery.lane, delivery_class=delivery_class)), DeliveryState.ACCEPTED
    )


def buffer_of(*classes: DeliveryClass, expected: int = 0) -> SettleBuffer:
    buffer = SettleBuffer()
    buffer.expect(expected, TRANSACTIONAL)
    for delivery_class in classes:
        buffer.add(result(delivery_class))
    return buffer


@pytest.mark.parametrize(("results", "flushed"), [(SETTLE_ROWS - 1, False), (SETTLE_ROWS, True)])
def test_a_full_buffer_is_flushed(clock: list[float], settled: list[int], results: int, flushed: bool) -> None:
    buffer = buffer_of(*[BULK] * results)
    assert buffer.flush(idle=False) is flushed
    assert settled == [SETTLE_ROWS] * flushed


def test_a_bulk_result_waits_for_others(clock: list[float], settled: list[int]) -> None:
    buffer = buffer_of(BULK, BULK)
    assert not buffer.flush(idle=False)
    clock[0] += SETTLE_SECONDS[BULK]
    assert buffer.flush(idle=False)
    assert settled == [2]


def test_the_last_transactional_result_is_settled_at_once(clock: list[float], settled: list[int]) -> None:
    buffer = buffer_of(TRANSACTIONAL, expected=2)
    assert not buffer.flush(idle=False)
    buffer.add(result(TRANSACTIONAL))
    assert buffer.flush(idle=False)
    assert settled == [2]


def test_without_deliveries_in_progress_nothing_is_waited_for(clock: list[float], settled: list[int]) -> None:
    assert buffer_of(BULK).flush(idle=True)
    assert settled == [1]


def test_an_empty_buffer_is_not_flushed(settled: list[int]) -> None:
    assert not SettleBuffer().flush(idle=True)
    assert settled == []


def test_results_stay_when_they_cannot_be_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = buffer_of(BULK)
    monkeypatch.setattr(settle_buffer, "settle", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        buffer.flush(idle=True)
    assert len(buffer) == 1
