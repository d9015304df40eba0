"""Real processes killed, frozen and cut off in the middle of a broadcast to 5,000 devices."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.stage import DEVICES, Stage


def test_a_killed_worker_loses_nothing(stage: Stage) -> None:
    worker = stage.worker_start()
    notification = stage.broadcast()
    sending = stage.freeze_in_the_middle(worker, notification)
    stage.harm(worker, signal.SIGKILL)
    stage.worker_start()
    stage.assert_all_is_well(notification, sending=sending)


def test_a_worker_frozen_past_its_leases_is_fenced_off(stage: Stage) -> None:
    frozen = stage.worker_start()
    notification = stage.broadcast()
    sending = stage.freeze_in_the_middle(frozen, notification)
    stage.worker_start()
    stage.wait_for_completion(notification)
    stage.harm(frozen, signal.SIGCONT)
    stage.wait_for(lambda: "another worker held the deliveries" in stage.log(0).read_text())
    stage.assert_all_is_well(notification, sending=sending)


def test_a_killed_valkey_delays_and_loses_nothing(stage: Stage) -> None:
    worker = stage.worker_start()
    notification = stage.broadcast()
    sending = stage.freeze_in_the_middle(worker, notification)
    stage.cluster.kill_valkey()
    stage.harm(worker, signal.SIGCONT)
    time.sleep(2)  # longer than a turn of the dispatcher: the next one needs a wake-up
    stage.cluster.restart_valkey()
    stage.assert_all_is_well(notification, sending=sending)
    assert stage.sandbox.accounting()["messages"] - DEVICES <= stage.retries(notification)


def test_a_killed_postgresql_loses_nothing(stage: Stage) -> None:
    worker = stage.worker_start()
    notification = stage.broadcast()
    sending = stage.freeze_in_the_middle(worker, notification)
    stage.cluster.kill_postgres()
    stage.harm(worker, signal.SIGCONT)
    time.sleep(1)
    stage.cluster.restart_postgres()
    stage.assert_all_is_well(notification, sending=sending)


@pytest.mark.parametrize("told", [os.kill, os.killpg], ids=["the parent", "the whole group"])
def test_a_stopped_worker_settles_and_gives_back_within_seconds(stage: Stage, told: Callable[[int, int], None]) -> None:
    worker = stage.worker_start()
    notification = stage.broadcast()
    stage.wait_for_the_middle(notification)
    told(worker.pid, signal.SIGTERM)
    stage.freeze_push_service(seconds=1)
    assert worker.wait(timeout=30) == 0
    assert set(stage.states(notification)) == {"accepted", "queued"}
    stage.worker_start()
    stage.assert_nothing_was_repeated(notification)


def test_three_machines_share_nothing_but_the_database(stage: Stage) -> None:
    """Three groups of workers, a beat with each, and a broker that forgets everything."""
    for _ in range(3):
        stage.worker_start()
    notification = stage.broadcast()
    stage.wait_for_the_middle(notification)
    stage.empty_valkey()
    stage.assert_nothing_was_repeated(notification)
    completed = "SELECT count(*) FROM events_event WHERE type = 'notification.completed' AND subject = %s"
    assert stage.query(completed, notification) == [(1,)]
