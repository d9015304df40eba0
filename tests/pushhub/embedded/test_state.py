"""What set-up writes down outlives the machine's death."""

import os
import stat
from pathlib import Path

import pytest

from pushhub.embedded.state import write_private


def test_secrets_are_on_the_disk_before_they_have_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "secrets.json", list[tuple[bool, bool]]()
    monkeypatch.setattr(
        os, "fsync", lambda number: synced.append((stat.S_ISDIR(os.fstat(number).st_mode), path.exists()))
    )
    write_private(path, "{}")
    assert synced == [(False, False), (True, True)]  # (a folder?, renamed yet?)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
