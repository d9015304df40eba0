from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from notifications import window as window_module
from notifications.claims import Job
from notifications.window import Window
from providers.types import HttpRequest, HttpResponse
from tests.notifications.engine.test_verdicts import job

REQUEST = HttpRequest("https://push.example/")


class FakeClient:
    """In flight until told that an answer came."""

    max_in_flight = 16

    def __init__(self) -> None:
        self.sent: list[Any] = []

    @property
    def in_flight(self) -> int:
        return len(self.sent)

    @property
    def room(self) -> int:
        return self.max_in_flight - len(self.sent)

    def submit(self, _request: HttpRequest, tag: object) -> None:
        self.sent.append(tag)

    def poll(self, _seconds: float) -> list[tuple[Any, HttpResponse]]:
        answered, self.sent = self.sent, []
        return [(tag, HttpResponse(201)) for tag in answered]


@pytest.fixture
def window() -> Window:
    return Window(FakeClient())  # type: ignore[arg-type]


def add(window: Window, host: str, count: int) -> None:
    for _ in range(count):
        window.add(replace(job(), host=host))


def send(window: Window, most: int = 100) -> list[Job]:
    taken = window.take(most)
    for taken_job in taken:
        window.submit(taken_job, REQUEST)
    return taken


def test_a_lone_host_may_fill_the_window(window: Window) -> None:
    add(window, "a", 20)
    assert len(send(window)) == 16
    assert (window.in_flight, window.waiting, window.free) == (16, 4, -4)


def test_a_host_holds_a_quarter_while_others_wait(window: Window) -> None:
    add(window, "a", 20)
    add(window, "b", 2)
    assert [job.host for job in send(window)] == ["a"] * 4 + ["b"] * 2
    assert send(window) == []


def test_an_answer_makes_room_for_its_host(window: Window) -> None:
    add(window, "a", 10)
    add(window, "b", 1)
    send(window)
    assert len(window.poll(0)) == 5
    assert len(send(window)) == 4


def test_what_is_over_its_share_goes_back_but_for_a_few(window: Window) -> None:
    add(window, "a", 10)
    add(window, "b", 1)
    send(window)
    assert len(window.take_back()) == 4
    assert window.waiting == 2


def test_nothing_is_held_for_long(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    add(window, "a", 6)
    add(window, "b", 1)
    send(window)
    monkeypatch.setattr(window_module, "HOLD_SECONDS", -1.0)
    assert len(window.take_back()) == 2
    assert window.waiting == 0


def test_everything_is_given_back_at_the_end(window: Window) -> None:
    add(window, "a", 3)
    assert len(window.take_back(everything=True)) == 3
    assert window.empty
