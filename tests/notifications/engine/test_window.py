from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from notifications.engine import window as window_module
from notifications.engine.circuit_breaker import DEVICES
from notifications.engine.types import ClaimedDelivery
from notifications.engine.window import InFlightWindow
from notifications.states import DeliveryClass
from outgoing.types import FailureKind, HttpRequest, HttpResponse, TransportFailure
from providers.types import Outcome, SendResult
from tests.notifications.builders import claimed_make

BULK, URGENT = DeliveryClass.BULK, DeliveryClass.TRANSACTIONAL
REQUEST = HttpRequest("https://push.example/")


class FakeClient:
    """Its requests are in flight until the next poll."""

    max_in_flight = 20

    def __init__(self) -> None:
        self.sent: list[Any] = []

    @property
    def in_flight(self) -> int:
        return len(self.sent)

    @property
    def capacity(self) -> int:
        return self.max_in_flight - len(self.sent)

    def tags_in_flight(self) -> Iterator[Any]:
        return iter(self.sent)

    def submit(self, _request: HttpRequest, tag: object) -> None:
        self.sent.append(tag)

    def poll(self, _seconds: float) -> list[tuple[Any, HttpResponse]]:
        answered, self.sent = self.sent, []
        return [(tag, HttpResponse(201)) for tag in answered]


@pytest.fixture
def window() -> InFlightWindow:
    return InFlightWindow(FakeClient(), 16)  # type: ignore[arg-type]


def add(window: InFlightWindow, host: str, count: int, delivery_class: DeliveryClass = BULK) -> None:
    for _ in range(count):
        one = claimed_make()
        window.add(replace(one, host=host, lane=replace(one.lane, delivery_class=delivery_class)))


def send(window: InFlightWindow, most: int = 100) -> list[ClaimedDelivery]:
    taken = window.take(most)
    for delivery in taken:
        window.submit(delivery, REQUEST)
    return taken


def test_a_single_host_may_fill_the_window(window: InFlightWindow) -> None:
    add(window, "a", 20)
    assert len(send(window)) == 16
    assert (window.in_flight, window.waiting, window.capacity) == (16, 4, -4)


def test_a_host_gets_a_quarter_while_others_wait(window: InFlightWindow) -> None:
    add(window, "a", 20)
    add(window, "b", 2)
    assert [delivery.host for delivery in send(window)] == ["a"] * 4 + ["b"] * 2
    assert send(window) == []


def test_transactional_goes_before_bulk_for_every_host(window: InFlightWindow) -> None:
    add(window, "a", 3, BULK)
    add(window, "b", 3, BULK)
    add(window, "b", 1, URGENT)
    assert [(delivery.host, delivery.lane.delivery_class) for delivery in send(window, 2)] == [
        ("b", URGENT),
        ("b", BULK),
    ]


def test_of_too_many_deliveries_bulk_goes_back_first(window: InFlightWindow) -> None:
    add(window, "a", 6, URGENT)
    add(window, "a", 6, BULK)
    add(window, "b", 1, BULK)
    send(window, 4)
    assert [delivery.lane.delivery_class for delivery, _ in window.shed()] == [BULK] * 6


def test_a_response_frees_capacity_for_its_host(window: InFlightWindow) -> None:
    add(window, "a", 10)
    add(window, "b", 1)
    send(window)
    assert len(window.poll(0)) == 5
    assert len(send(window)) == 4


def test_deliveries_over_the_share_go_back_but_for_half_a_share(window: InFlightWindow) -> None:
    add(window, "a", 10)
    add(window, "b", 1)
    send(window)
    assert len(window.shed()) == 4
    assert window.waiting == 2


def test_deliveries_over_the_share_wait_only_briefly(window: InFlightWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    add(window, "a", 6)
    add(window, "b", 1)
    send(window)
    monkeypatch.setattr(window_module, "WAIT_SECONDS", -1.0)
    assert len(window.shed()) == 2
    assert window.waiting == 0


def test_everything_is_given_back_at_the_end(window: InFlightWindow) -> None:
    add(window, "a", 3)
    assert len(window.shed(everything=True)) == 3
    assert window.empty


ACCEPTED = SendResult(outcome=Outcome.ACCEPTED)
NO_RESPONSE = TransportFailure(FailureKind.CONNECT)
RETRY = SendResult(outcome=Outcome.RETRY)


def respond(
    window: InFlightWindow,
    deliveries: list[ClaimedDelivery],
    response: Any,
    result: SendResult = RETRY,
    now: float = 1_000.0,
) -> None:
    window.poll(0)
    for delivery in deliveries:
        window.record(delivery, response, result, now=now)


def outage(window: InFlightWindow, host: str = "a") -> None:
    for number in range(DEVICES):
        window.add(replace(claimed_make(device_id=number), host=host))
    respond(window, send(window), NO_RESPONSE, now=time.monotonic())


def test_all_deliveries_of_an_unavailable_host_go_back(window: InFlightWindow) -> None:
    outage(window)
    add(window, "a", 3)
    assert send(window) == []
    assert min(wait for _, wait in window.shed()) >= 0.9
    assert window.waiting == 0


def test_a_probe_uses_a_device_that_has_not_failed(window: InFlightWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    outage(window)
    later = time.monotonic() + 5.0
    monkeypatch.setattr(time, "monotonic", lambda: later)
    add(window, "a", 2)
    window.add(replace(claimed_make(device_id=99), host="a"))
    assert [probe.device_id for probe in send(window)] == [99]
    assert send(window) == []


def test_an_unavailable_host_does_not_reduce_the_share_of_others(window: InFlightWindow) -> None:
    outage(window)
    add(window, "a", 1)
    add(window, "b", 20)
    assert [delivery.host for delivery in send(window)] == ["b"] * 16


def test_a_prompt_host_uses_what_the_others_leave(window: InFlightWindow) -> None:
    add(window, "a", 8)
    respond(window, send(window), HttpResponse(201, elapsed=0.05), ACCEPTED, now=time.monotonic())
    add(window, "b", 1)
    add(window, "a", 20)
    assert [delivery.host for delivery in send(window)].count("a") == 12


def test_capacity_is_left_when_one_host_fills_the_window_and_stops_responding(
    window: InFlightWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(window, "a", 16)
    send(window)
    assert window.capacity == 0
    monkeypatch.setattr(window_module, "PROMPT", -1.0)
    assert window.capacity == 4
    add(window, "b", 8)
    assert [delivery.host for delivery in send(window)] == ["b"] * 4


def test_a_slow_host_gets_nothing_more_when_the_run_ends(
    window: InFlightWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(window, "a", 2)
    send(window)
    monkeypatch.setattr(window_module, "SLOW", -1.0)
    assert window.pause_slow_hosts()
    add(window, "a", 1)
    add(window, "b", 1)
    assert [delivery.host for delivery in send(window)] == ["b"]
