"""Which user the servers run as, and a folder that this user can reach.

PostgreSQL refuses to run as root. As root, the servers therefore run as an unprivileged user, which often can read
neither a virtualenv nor a checkout below a 0700 home: then binaries are copied, and data is kept, in a folder of its
own below /var/tmp, remembered by a pointer file.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

CANDIDATES = ("nobody", "daemon", "postgres")
ELSEWHERE = Path("/var/tmp")  # noqa: S108 - survives a reboot; the folder itself is made by mkdtemp
POINTER = "servers-live-in"


class EmbeddedError(Exception):
    """Set-up failed; the text says what and what to do, without a traceback."""


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


@dataclass(frozen=True)
class Home:
    """A folder where servers keep data, and the user they run as (None: the current one)."""

    folder: Path
    account: Account | None

    def make(self, name: str) -> Path:
        """Make a private folder for one server."""
        path = self.folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)
        return path

    def readable(self, packages: Path, parts: list[str], probe: str, *, label: str) -> Path:
        """`packages`, or a folder named `label` with copies of its `parts`, where the account can run `probe`."""
        if self.account is None or _runs(self.account, [packages / probe, "--version"]):
            return packages
        copy = self.folder / label
        if not copy.exists():
            new = Path(tempfile.mkdtemp(dir=self.folder))
            for part in parts:
                if (packages / part).exists():
                    shutil.copytree(
                        packages / part, new / part, symlinks=True, ignore=shutil.ignore_patterns("include")
                    )
            subprocess.run(["chmod", "-R", "u=rwX,go=rX", str(new)], check=True)
            new.rename(copy)
        if not _runs(self.account, [copy / probe, "--version"]):
            raise EmbeddedError(f"User {self.account.uid} cannot run {copy / probe}; use an ordinary user instead.")
        return copy


def home_for(directory: Path) -> Home:
    """Where the servers of `directory` live. Makes the folder."""
    directory.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return Home(directory, None)
    account = _unprivileged()
    if _runs(account, ["test", "-x", directory]):
        return Home(directory, account)
    pointer = directory / POINTER
    if pointer.exists() and (folder := Path(pointer.read_text().strip())).is_dir():
        return Home(folder, account)
    folder = Path(tempfile.mkdtemp(prefix="pushhub-", dir=ELSEWHERE))
    folder.chmod(0o711)
    pointer.write_text(f"{folder}\n")
    return Home(folder, account)


def home_remove(directory: Path) -> None:
    """Delete the folder and what a pointer in it names."""
    pointer = directory / POINTER
    if pointer.exists():
        shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def _unprivileged() -> Account:
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(f"PostgreSQL refuses to run as root, and none of the users {', '.join(CANDIDATES)} exists.")


def _runs(account: Account, argv: list[str | Path]) -> bool:
    try:
        done = subprocess.run(
            [str(part) for part in argv],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except PermissionError:
        return False
    return done.returncode == 0
