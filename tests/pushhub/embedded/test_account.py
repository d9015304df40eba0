"""A virtualenv in a home directory with mode 0700: the user of the servers cannot read it, so the programs and their
libraries are copied."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pushhub.embedded import account, postgres
from pushhub.embedded.account import Account, EmbeddedError, Home


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Home:
    monkeypatch.setattr(account, "can_run", lambda _account, argv: tmp_path in Path(argv[0]).parents)
    return Home(tmp_path, Account(uid=65534, gid=65534))


def test_copied_programs_run(unreadable: Home) -> None:
    probe = f"{postgres.PARTS[0]}/bin/initdb"
    copy = unreadable.readable(postgres.packages_folder(), list(postgres.PARTS), probe, label="copy")
    assert subprocess.run([copy / probe, "--version"], env={}).returncode == 0


def test_the_copy_is_made_once(unreadable: Home) -> None:
    packages = unreadable.folder.parent / "packages"
    (packages / "a").mkdir(parents=True)
    for _ in range(2):
        copy = unreadable.readable(packages, ["a", "not-in-this-wheel"], "a/program", label="copy")
    assert sorted(path.name for path in unreadable.folder.iterdir()) == [copy.name]


def test_an_error_says_that_the_copy_cannot_be_run_either(unreadable: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "can_run", lambda *_: False)
    with pytest.raises(EmbeddedError, match="Do not run this command as root"):
        unreadable.readable(unreadable.folder, [], "program", label="copy")
