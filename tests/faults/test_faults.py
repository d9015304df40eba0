"""Real processes killed, frozen and cut off in the middle of a broadcast to 5,000 devices."""

from __future__ import annotations

import signal
import time

from tests.faults.stage import DEVICES, LEASE_SECONDS, Stage


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


def test_a_stopped_worker_settles_and_gives_back_within_seconds(stage: Stage) -> None:
    worker = stage.worker_start()
    notification = stage.broadcast()
    stage.wait_for_the_middle(notification)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=2 * LEASE_SECONDS) == 0
    assert set(stage.states(notification)) == {"accepted", "queued"}
    repeated = stage.sandbox.accounting()["messages"] - stage.states(notification)["accepted"]
    assert repeated <= stage.retries(notification)
