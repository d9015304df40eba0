"""Creates .venv and installs the packages of a lock file, unless that is done already. Uses the standard library only.

    python3 scripts/prepare.py requirements.lock

Several runs at the same time wait for each other. The next run completes an interrupted one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
LOCKS = ("requirements.lock", "requirements-dev.lock")  # each contains the previous one


def main(lock_file: str) -> None:
    if sys.version_info < OLDEST:
        sys.exit(f"pushhub needs Python 3.11 or later; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 …")
    with (CHECKOUT / ".venv.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if installed(lock_file):
            return
        print(f"Preparing .venv from {lock_file} …", flush=True)
        if not venv_works():
            venv_create()
        options = ["-qq", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        run(PYTHON, "-m", "pip", "install", *options, "--requirement", CHECKOUT / lock_file)
        for name in LOCKS[: LOCKS.index(lock_file) + 1]:
            stamp(name).write_text(fingerprint(name))


def installed(lock_file: str) -> bool:
    return PYTHON.exists() and stamp(lock_file).exists() and stamp(lock_file).read_text() == fingerprint(lock_file)


def stamp(lock_file: str) -> Path:
    return VENV / f"{lock_file}.installed"


def fingerprint(lock_file: str) -> str:
    """Depends on the lock file and on the folder: a virtualenv cannot be moved."""
    return hashlib.sha256((CHECKOUT / lock_file).read_bytes() + os.fsencode(VENV)).hexdigest()


def venv_works() -> bool:
    try:
        return subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def venv_create() -> None:
    try:
        import ensurepip  # noqa: F401 - Debian ships Python without it
    except ImportError:
        sys.exit("Python's venv module is incomplete here. On Debian or Ubuntu: apt install python3-venv")
    run(sys.executable, "-m", "venv", "--clear", VENV)


def run(*argv: str | Path) -> None:
    code = subprocess.run([str(part) for part in argv]).returncode
    if code:
        sys.exit(f"{' '.join(str(part) for part in argv[1:4])} failed (exit code {code}). Its output is above.")


if __name__ == "__main__":
    main(*sys.argv[1:])
