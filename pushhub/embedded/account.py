"""The user that runs the servers, and a folder that this user can access.

PostgreSQL refuses to run as root. Started by root, the servers therefore run as an unprivileged user. Often this user
can read neither a virtualenv nor a checkout below a home directory with mode 0700. Then the programs are copied to a
new folder below /var/tmp, and the data is stored there. A pointer file contains the path of that folder.
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
ELSEWHERE = Path("/var/tmp")  # noqa: S108 - survives a reboot; mkdtemp creates the folder in it
POINTER = "servers-live-in"


class EmbeddedError(Exception):
    """The set-up failed. The text says what failed and what to do; it is printed without a traceback."""


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


@dataclass(frozen=True)
class Home:
    """The folder with the servers' data, and the user that runs the servers (None: the current user)."""

    folder: Path
    account: Account | None

    def make(self, name: str) -> Path:
        """Creates a private folder for one server."""
        path = self.folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)
        return path

    def readable(self, packages: Path, parts: list[str], probe: str, *, label: str) -> Path:
        """`packages`, if the account can run `probe` in it; otherwise a folder named `label` with copies of `parts`.

        Raises EmbeddedError if the account cannot run the copy either.
        """
        if self.account is None or can_run(self.account, [packages / probe, "--version"]):
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
        if not can_run(self.account, [copy / probe, "--version"]):
            raise EmbeddedError(f"User {self.account.uid} cannot run {copy / probe}. Do not run this command as root.")
        return copy


def home_for(directory: Path) -> Home:
    """The home of the servers of `directory`. Creates its folder."""
    directory.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return Home(directory, None)
    account = _unprivileged()
    if can_run(account, ["test", "-x", directory]):
        return Home(directory, account)
    pointer = directory / POINTER
    if pointer.exists() and (folder := Path(pointer.read_text().strip())).is_dir():
        return Home(folder, account)
    folder = Path(tempfile.mkdtemp(prefix="pushhub-", dir=ELSEWHERE))
    folder.chmod(0o711)
    pointer.write_text(f"{folder}\n")
    return Home(folder, account)


def home_remove(directory: Path) -> None:
    """Deletes the folder, and the folder that a pointer file in it names."""
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


def can_run(account: Account, argv: list[str | Path]) -> bool:
    """Whether the command succeeds when this user runs it."""
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
