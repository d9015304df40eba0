"""A round of harm for a test, and what must hold at its end whatever was done."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.faults.account import Account
from bench.faults.round import Round
from bench.faults.scene import Scene

DEVICES = 3_000
PATIENCE = 300.0  # shared machines stall; what is asserted are counts


@contextmanager
def round_on(scene: Scene, folder: Path) -> Iterator[Round]:
    """Nobody dispatches yet, and nothing has been sent."""
    scene.support_start()
    made = Round(
        scene, scenario=folder.name, deliveries=DEVICES, folder=folder, chance=random.Random(0), patience=PATIENCE
    )
    yield made
    for group in [*made.dispatchers, *made.helpers]:
        group.kill()


def assert_kept(account: Account) -> None:
    """Nothing lost, nothing repeated that was not in the air, every end the right one, counters as the rows.

    `account.wrong` holds, among other things, every device that got more messages than its own rows explain.
    """
    assert account.wrong == []
    assert (account.lost, account.counters_equal) == (0, True)


def assert_nothing_was_repeated(account: Account) -> None:
    """On a slow machine something is, honestly and on record: a request timed out, a lease ran out under its holder."""
    assert_kept(account)
    assert account.repeated <= account.unanswered + account.stalled
