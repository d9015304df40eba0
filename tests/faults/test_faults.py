"""Real processes killed, frozen and cut off in the middle of a broadcast to 3,000 devices. Longer: `make siege`."""

from __future__ import annotations

import pytest

from bench.faults import scenarios
from bench.faults.round import Round
from sandbox.ledger import answers_path
from tests.faults.rounds import assert_kept, assert_nothing_was_repeated


def test_a_killed_worker_loses_nothing(round_: Round) -> None:
    victim = round_.dispatch()
    round_.begin()
    round_.wait_for_the_middle()
    assert scenarios.kill_dispatcher(round_, victim, whole=True, patience=scenarios.MOMENT)
    assert_kept(round_.finish())


def test_a_worker_frozen_past_its_leases_is_fenced_off(round_: Round) -> None:
    scenarios.frozen(round_)
    account = round_.finish()
    assert_kept(account)
    assert account.allowed  # leases ran out, and another took over


def test_a_killed_postgresql_loses_nothing(round_: Round) -> None:
    round_.dispatch()
    round_.begin()
    round_.wait_for_the_middle()
    assert scenarios.kill_postgresql(round_, down=1, patience=scenarios.MOMENT)
    assert_kept(round_.finish())


def test_a_killed_valkey_delays_and_repeats_nothing(round_: Round) -> None:
    round_.dispatch()
    round_.begin()
    round_.wait_for_the_middle()
    scenarios.kill_valkey(round_, down=2)  # longer than a turn of the dispatcher: the next one needs a wake-up
    assert_nothing_was_repeated(round_.finish())


@pytest.mark.parametrize("whole", [False, True], ids=["the parent", "the whole group"])
def test_a_worker_told_to_stop_settles_and_gives_back(round_: Round, whole: bool) -> None:
    victim = round_.dispatch()
    round_.begin()
    round_.wait_for_the_middle()
    assert scenarios.stop_dispatcher(round_, victim, whole=whole)
    assert round_.going_on(until=1.0)
    assert not round_.in_the_air()
    victim.start()
    assert_nothing_was_repeated(round_.finish())


def test_every_answer_of_a_push_service_ends_as_its_script_says(round_: Round) -> None:
    scenarios.mix(round_)
    account = round_.finish()
    assert_kept(account)
    assert set(account.ended) == {"gone", "rejected", "expired"}


def test_a_push_service_that_dies_is_waited_for(round_: Round) -> None:
    scenarios.death(round_, seconds=2)
    assert_kept(round_.finish())


def test_refused_credentials_end_nothing(round_: Round) -> None:
    scenarios.refused(round_, seconds=8)
    account = round_.finish()
    assert_kept(account)
    assert account.accepted == account.deliveries


def test_a_gone_spike_that_an_operator_does_not_believe_ends_nothing(round_: Round) -> None:
    scenarios.gone_spike(round_, seconds=8)
    account = round_.finish()
    assert_kept(account)
    assert account.accepted == account.deliveries


def test_machines_share_nothing_but_the_database(round_: Round) -> None:
    scenarios.machines(round_)
    round_.wait_for_the_middle()
    scenarios.flush_valkey(round_)
    assert_nothing_was_repeated(round_.finish())


def test_an_account_finds_a_message_too_many_and_a_delivery_that_is_missing(round_: Round) -> None:
    """The tests above could not fail if this one did."""
    round_.dispatch()
    round_.begin()
    capability = next(iter(round_.scene.devices.values())).rpartition("/")[2]
    with answers_path(round_.scene.ledger).open("a") as ledger:
        ledger.write(f"{capability} 201\n")
    round_.promised.audiences[round_.notification] |= {"nobody's"}
    account = round_.finish()
    assert (account.repeated, account.lost, len(account.wrong)) == (1, 1, 2)
