"""Claim, call, settle: the rules of the helper for all kinds of work."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from django.db import OperationalError, connection

from pushhub.kernel.metrics import Metric
from pushhub.workers import leased_work
from pushhub.workers.leased_work import LeasedWork, one_by_one

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Rows:
    """Rows in memory, and a record of the calls."""

    batches: list[list[int]]
    settled: list[tuple[int, str]] = field(default_factory=list)
    in_transaction: list[tuple[str, bool]] = field(default_factory=list)

    def note(self, moment: str) -> None:
        self.in_transaction.append((moment, connection.in_atomic_block))

    def claim(self) -> list[int]:
        self.note("claim")
        return self.batches.pop(0) if self.batches else []

    def call(self, item: int) -> str | None:
        self.note("call")
        return f"outcome {item}"

    def settle(self, item: int, outcome: str) -> bool:
        self.note("settle")
        self.settled.append((item, outcome))
        return True

    def work(self, call: Callable[[int], str | None] | None = None) -> LeasedWork[int, str]:
        calls = one_by_one(call or self.call)
        return LeasedWork(name="test", item_id=str, claim=self.claim, calls=calls, settle=self.settle)


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[Metric]:
    """The counts of lost leases."""
    counted: list[Metric] = []
    monkeypatch.setattr(leased_work, "count", counted.append)
    return counted


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Of each line: the message, the work and the id of the row."""
    return [(line.message, line.__dict__["work"], line.__dict__["id"]) for line in caplog.records]


def test_only_the_call_is_outside_a_transaction() -> None:
    rows = Rows([[1]])
    assert rows.work().step() == 1
    assert rows.in_transaction == [("claim", True), ("call", False), ("settle", True)]


def test_every_outcome_of_a_batch_is_settled(lost: list[Metric]) -> None:
    rows = Rows([[1, 2]])
    rows.work().step()
    assert rows.settled == [(1, "outcome 1"), (2, "outcome 2")]
    assert lost == []


def test_a_row_without_an_outcome_is_not_settled() -> None:
    rows = Rows([[1, 2]])
    rows.work(lambda item: "known" if item == 2 else None).step()
    assert rows.settled == [(2, "known")]


def test_a_call_that_raises_does_not_affect_the_rest_of_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows([[0, 1]])
    rows.work(lambda item: str(1 // item)).step()
    assert rows.settled == [(1, "1")]
    assert logged(caplog) == [("call failed", "test", "0")]


def test_a_settle_that_raises_does_not_affect_the_rest_of_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows([[1, 2]])

    def settle(item: int, outcome: str) -> bool:
        if item == 1:
            raise ValueError
        return rows.settle(item, outcome)

    replace(rows.work(), settle=settle).step()
    assert rows.settled == [(2, "outcome 2")]
    assert logged(caplog) == [("outcome not written", "test", "1")]


def test_a_database_that_is_unavailable_ends_the_step() -> None:
    def settle(item: int, outcome: str) -> bool:
        raise OperationalError

    with pytest.raises(OperationalError):
        replace(Rows([[1, 2]]).work(), settle=settle).step()


def test_a_lost_lease_is_counted(lost: list[Metric], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger=leased_work.__name__)
    replace(Rows([[1, 2]]).work(), settle=lambda item, outcome: item == 1).step()
    assert lost == [Metric.LEASES_LOST]
    assert logged(caplog) == [("lease lost", "test", "2")]


def test_the_next_call_starts_after_the_previous_outcome_is_settled() -> None:
    rows = Rows([[1, 2]])
    seen: list[int] = []

    def calls(items: Sequence[int]) -> Iterator[tuple[int, str]]:
        for item in items:
            yield item, "known"
            seen.append(len(rows.settled))

    replace(rows.work(), calls=calls).step()
    assert seen == [1, 2]


def test_run_until_ends_when_no_row_is_due() -> None:
    rows = Rows([[1], [2]])
    assert rows.work().run_until(time.monotonic() + 60) is False
    assert len(rows.settled) == 2


def test_run_until_ends_at_the_deadline() -> None:
    rows = Rows([[1], [2]])
    assert rows.work(lambda item: time.sleep(0.01)).run_until(time.monotonic() + 0.005) is True
    assert rows.batches == [[2]]


@pytest.mark.parametrize(("seconds", "woken"), [(60.0, []), (0.0, [("a.task", "a_queue")])])
def test_a_task_wakes_the_next_while_more_may_be_due(
    monkeypatch: pytest.MonkeyPatch, seconds: float, woken: list[tuple[str, str]]
) -> None:
    calls: list[tuple[str, str]] = []
    monkeypatch.setattr(leased_work, "wake", lambda *task: calls.append(task))
    monkeypatch.setattr(leased_work, "wake_taken", lambda task_name: None)
    Rows([[1]]).work().run_task("a.task", "a_queue", seconds=seconds)
    assert calls == woken


def test_a_task_takes_its_wake_up_before_the_first_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows([])
    monkeypatch.setattr(leased_work, "wake_taken", lambda task_name: rows.note("taken"))
    rows.work().run_task("a.task", "a_queue", seconds=60.0)
    assert [moment for moment, _ in rows.in_transaction] == ["taken", "claim"]
