from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.faults.round import Round
from bench.faults.scene import Scene, scene
from tests.faults.rounds import DEVICES, round_on


@pytest.fixture(scope="module")
def on() -> Iterator[Scene]:
    with scene(DEVICES) as ready:
        yield ready


@pytest.fixture
def round_(on: Scene, tmp_path: Path) -> Iterator[Round]:
    with round_on(on, tmp_path) as made:
        yield made
