"""Files of the set-up survive a crash of the machine."""

import os
import stat
from pathlib import Path

import pytest

from pushhub.embedded.state import write_private


def test_a_file_is_synced_before_and_its_folder_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "secrets.json", list[tuple[bool, bool]]()
    monkeypatch.setattr(
        os, "fsync", lambda number: synced.append((stat.S_ISDIR(os.fstat(number).st_mode), path.exists()))
    )
    write_private(path, "{}")
    assert synced == [(False, False), (True, True)]  # (is it a folder?, was the file renamed?)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
