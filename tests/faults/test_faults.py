"""Real processes are killed, frozen and cut off during a broadcast to 3,000 devices. `make siege` does it longer."""

from __future__ import annotations

import pytest

from bench.faults import scenarios
from bench.faults.round import Round
from sandbox.ledger import responses_path
from tests.faults.rounds import assert_guarantees_kept, assert_nothing_was_repeated


def test_a_killed_worker_loses_nothing(round_: Round) -> None:
    victim = round_.dispatcher_start()
    round_.begin()
    round_.wait_until_started()
    assert scenarios.kill_dispatcher(round_, victim, whole=True, timeout=scenarios.IN_FLIGHT_SECONDS)
    assert_guarantees_kept(round_.finish())


def test_results_of_a_worker_frozen_past_its_leases_are_dropped(round_: Round) -> None:
    scenarios.worker_freeze(round_)
    report = round_.finish()
    assert_guarantees_kept(report)
    assert report.allowed  # leases ran out, and another worker took over


def test_a_killed_postgresql_loses_nothing(round_: Round) -> None:
    round_.dispatcher_start()
    round_.begin()
    round_.wait_until_started()
    assert scenarios.kill_postgresql(round_, down=1, timeout=scenarios.IN_FLIGHT_SECONDS)
    assert_guarantees_kept(round_.finish())


def test_a_killed_valkey_delays_and_repeats_nothing(round_: Round) -> None:
    round_.dispatcher_start()
    round_.begin()
    round_.wait_until_started()
    scenarios.kill_valkey(round_, down=2)  # longer than a dispatch task: the next task needs a wake-up
    assert_nothing_was_repeated(round_.finish())


@pytest.mark.parametrize("whole", [False, True], ids=["the parent", "the whole group"])
def test_a_stopped_worker_settles_and_releases_its_deliveries(round_: Round, whole: bool) -> None:
    victim = round_.dispatcher_start()
    round_.begin()
    round_.wait_until_started()
    assert scenarios.stop_dispatcher(round_, victim, whole=whole)
    assert round_.unfinished(until=1.0)
    assert not round_.in_flight()
    victim.start()
    assert_nothing_was_repeated(round_.finish())


def test_every_response_of_a_push_service_ends_as_scripted(round_: Round) -> None:
    scenarios.mixed_responses(round_)
    report = round_.finish()
    assert_guarantees_kept(report)
    assert set(report.ended) == {"gone", "rejected", "expired"}


def test_deliveries_wait_for_a_push_service_that_restarts(round_: Round) -> None:
    scenarios.push_service_restart(round_, seconds=2)
    assert_guarantees_kept(round_.finish())


def test_refused_credentials_end_no_delivery(round_: Round) -> None:
    scenarios.refused_credentials(round_, seconds=8)
    report = round_.finish()
    assert_guarantees_kept(report)
    assert report.accepted == report.deliveries


def test_a_gone_spike_that_an_operator_rejects_ends_no_delivery(round_: Round) -> None:
    scenarios.gone_spike(round_, seconds=8)
    report = round_.finish()
    assert_guarantees_kept(report)
    assert report.accepted == report.deliveries


def test_machines_share_nothing_but_the_database(round_: Round) -> None:
    scenarios.two_machines(round_)
    round_.wait_until_started()
    scenarios.flush_valkey(round_)
    assert_nothing_was_repeated(round_.finish())


def test_a_report_finds_a_repeated_message_and_a_missing_delivery(round_: Round) -> None:
    """Without this the tests above might never fail."""
    round_.dispatcher_start()
    round_.begin()
    capability = next(iter(round_.installation.devices.values())).rpartition("/")[2]
    with responses_path(round_.installation.ledger).open("a") as ledger:
        ledger.write(f"{capability} 201\n")
    round_.expected.audiences[round_.notification] |= {"no such device"}
    report = round_.finish()
    assert (report.repeated, report.lost, len(report.failures)) == (1, 1, 2)
