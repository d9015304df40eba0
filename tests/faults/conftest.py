from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pushhub.embedded.cluster import EmbeddedCluster
from sandbox.testing import SandboxProcess
from tests.faults.stage import Stage


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with EmbeddedCluster.temporary() as cluster, SandboxProcess(decrypt=False) as sandbox:
        stage = Stage(cluster, sandbox, tmp_path_factory.mktemp("faults"))
        stage.prepare()
        yield stage


@pytest.fixture
def stage(scene: Stage, tmp_path: Path) -> Iterator[Stage]:
    """The scene with nobody working on it yet."""
    scene.workers, scene.folder = [], tmp_path
    yield scene
    scene.stop()
