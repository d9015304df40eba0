"""A round of fault injection for a test, and the checks at its end that apply to every fault."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.faults.installation import Installation
from bench.faults.report import RoundReport
from bench.faults.round import Round

DEVICES = 3_000
TIMEOUT = 300.0  # shared machines stall; the tests assert counts, not times


@contextmanager
def round_on(installation: Installation, folder: Path) -> Iterator[Round]:
    """No dispatcher runs yet, and nothing has been sent."""
    installation.support_start()
    made = Round(
        installation, scenario=folder.name, deliveries=DEVICES, folder=folder, rng=random.Random(0), timeout=TIMEOUT
    )
    yield made
    for group in [*made.dispatchers, *made.helpers]:
        group.kill()


def assert_guarantees_kept(report: RoundReport) -> None:
    """Nothing is lost, nothing is repeated that was not in flight, every end is correct, counters equal the rows.

    Among others, `report.failures` has every device that got more messages than its own rows explain.
    """
    assert report.failures == []
    assert (report.lost, report.counters_equal) == (0, True)


def assert_nothing_was_repeated(report: RoundReport) -> None:
    """On a slow machine a request may time out, or a lease may run out. Such a repeat is recorded, and allowed."""
    assert_guarantees_kept(report)
    assert report.repeated <= report.unanswered + report.stalled
