from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stage import Stage, prepared


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with prepared(tmp_path_factory.mktemp("faults")) as stage:
        yield stage


@pytest.fixture
def stage(scene: Stage, tmp_path: Path) -> Iterator[Stage]:
    """The scene with nobody working on it yet."""
    scene.workers, scene.folder = [], tmp_path
    yield scene
    scene.stop()
