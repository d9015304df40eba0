"""The files in `.pushhub/`: generated secrets, and the locks of the processes that use the servers."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .account import EmbeddedError

ELSEWHERE = "Choose another folder with PUSHHUB_STATE_DIR=/path/you/own."
CHECKOUT = Path(__file__).resolve().parents[2]


def state_folder() -> Path:
    """`.pushhub` in the checkout, or the folder that PUSHHUB_STATE_DIR names. Raises EmbeddedError."""
    folder = Path(os.environ.get("PUSHHUB_STATE_DIR") or CHECKOUT / ".pushhub").absolute()
    # Started by root, the unprivileged user of the servers must enter the folder. Files with secrets have mode 0600.
    try:
        folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"Cannot create {folder}: {error.strerror}. {ELSEWHERE}") from error
    if folder.stat().st_uid != os.geteuid():
        raise EmbeddedError(f"{folder} belongs to another user. {ELSEWHERE}")
    return folder


def write_private(path: Path, text: str) -> None:
    """Replaces `path` atomically by a file that only its owner can read. After a power failure the file is either the
    old one or the new one, never a part."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def secrets_get(folder: Path) -> dict[str, str]:
    """The secrets of this folder, generated on first use. Names in capitals are environment variables."""
    path = folder / "secrets.json"
    with locked(folder / "secrets.lock"):
        if not path.exists():
            generated = {
                "SECRET_KEY": secrets.token_urlsafe(48),
                "PUSHHUB_ENCRYPTION_KEYS": f"k1:{_key()}",
                "PUSHHUB_HASH_KEY": _key(),
                "postgres": secrets.token_hex(24),
                "valkey": secrets.token_hex(24),
            }
            write_private(path, json.dumps(generated, indent=1))
        stored: dict[str, str] = json.loads(path.read_text())
    return stored


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


class Lock:
    """An advisory lock on a file. The kernel releases it when its process ends, for whatever reason."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def take(self, *, shared: bool = False, wait: bool = True) -> bool:
        """True if this process now has the lock; False if another process has it and `wait` is off."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    lock = Lock(path)
    try:
        lock.take()
        yield
    finally:
        lock.close()
