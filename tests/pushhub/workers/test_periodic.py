"""Of many messages of a periodic task, one runs. The clocks of hosts do not matter."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from pushhub.settings.beat import CELERY_BEAT_SCHEDULE
from pushhub.workers import wake
from pushhub.workers.celery import app


@pytest.fixture
def runs() -> list[int]:
    return []


@pytest.fixture
def periodic(runs: list[int]) -> Iterator[Any]:
    """A task that counts its runs."""

    @app.task(name="test.periodic")
    def run() -> None:
        runs.append(1)

    yield run
    app.tasks.unregister("test.periodic")


def receive(task: Any, **headers: Any) -> None:
    task.push_request(**headers)
    try:
        task()
    finally:
        task.pop_request()


def test_many_messages_of_beat_run_once(periodic: Any, runs: list[int]) -> None:
    for _ in range(20):
        receive(periodic, every=60)
    assert runs == [1]


def test_a_message_that_is_not_from_beat_always_runs(periodic: Any, runs: list[int]) -> None:
    receive(periodic)
    receive(periodic)
    assert runs == [1, 1]


def test_without_valkey_all_messages_run(periodic: Any, runs: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "valkey", lambda _: redis.Redis(port=1))
    receive(periodic, every=60)
    receive(periodic, every=60)
    assert runs == [1, 1]


def test_beats_messages_do_not_expire() -> None:
    assert all("expires" not in entry["options"] for entry in CELERY_BEAT_SCHEDULE.values())
