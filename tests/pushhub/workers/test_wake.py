"""Wake-ups are few and fast, and a failure of one does not affect the caller."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pushhub.workers.celery import app
from pushhub.workers.wake import valkey, wake, wake_taken


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tasks sent to the broker."""
    sent: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, **_: sent.append(name))
    return sent


@pytest.fixture
def hanging() -> Iterator[int]:
    """The port of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def until(condition: Callable[[], Any]) -> bool:
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_wake_up_is_published(published: list[str]) -> None:
    wake("test.one", "registry")
    assert until(lambda: published == ["test.one"])


def test_at_most_one_wake_up_of_a_task_is_outstanding(published: list[str]) -> None:
    for _ in range(50):
        wake("test.one", "registry")
    assert until(lambda: published)
    wake("test.one", "registry")
    time.sleep(0.1)
    assert published == ["test.one"]


def test_after_the_task_has_taken_its_wake_up_the_next_is_published(published: list[str]) -> None:
    wake("test.one", "registry")
    assert until(lambda: published)
    wake_taken("test.one")
    wake("test.one", "registry")
    assert until(lambda: published == ["test.one", "test.one"])


def test_different_tasks_do_not_wait_for_each_other(published: list[str]) -> None:
    wake("test.one", "registry")
    wake("test.two", "dispatch")
    assert until(lambda: sorted(published) == ["test.one", "test.two"])


def test_wake_ups_go_on_after_a_failure_of_the_broker(monkeypatch: pytest.MonkeyPatch, published: list[str]) -> None:
    failed = threading.Event()

    def fail(*_: Any, **__: Any) -> None:
        failed.set()
        raise ConnectionError

    monkeypatch.setattr(app, "send_task", fail)
    wake("test.one", "registry")
    assert failed.wait(5)
    monkeypatch.setattr(app, "send_task", lambda name, **_: published.append(name))
    wake("test.two", "registry")
    assert until(lambda: published == ["test.two"])


def test_a_hanging_valkey_does_not_delay_the_caller(
    monkeypatch: pytest.MonkeyPatch, published: list[str], hanging: int, settings: Any
) -> None:
    settings.CACHE_URL = f"redis://127.0.0.1:{hanging}/0"
    valkey.cache_clear()
    try:
        start = time.monotonic()
        wake("test.one", "registry")
        assert time.monotonic() - start < 0.1
        assert until(lambda: published == ["test.one"])
        start = time.monotonic()
        wake_taken("test.one")
        assert time.monotonic() - start < 1
    finally:
        valkey.cache_clear()


def test_a_hanging_broker_does_not_delay_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(app, "send_task", lambda *_, **__: release.wait(5))
    start = time.monotonic()
    for number in range(100):
        wake(f"test.{number}", "registry")
    release.set()
    assert time.monotonic() - start < 0.5
