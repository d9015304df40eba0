from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.faults.installation import Installation, installation_start
from bench.faults.round import Round
from tests.faults.rounds import DEVICES, round_on


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with installation_start(DEVICES) as started:
        yield started


@pytest.fixture
def round_(installation: Installation, tmp_path: Path) -> Iterator[Round]:
    with round_on(installation, tmp_path) as made:
        yield made
