"""PostgreSQL on a separate disk that is small enough to be filled.

The disk is a tmpfs in a mount namespace that only this process and its children see. So it cannot outlive the process,
and no other program can write to it.
"""

import ctypes
import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from bench.faults.skipped import Skipped
from pushhub.embedded.account import home_remove
from pushhub.embedded.cluster import EmbeddedCluster

SIZE_MB: Final = 400
CLONE_NEWNS: Final = 0x00020000  # <linux/sched.h>
_STEPS: Final = (1 << 20, 1 << 12)  # a megabyte at a time, then the remaining pages


@contextmanager
def cluster_on_small_disk() -> Iterator[EmbeddedCluster]:
    """A started cluster. Its folder is deleted afterwards. Raises Skipped if this user may not mount."""
    _mount_namespace_enter()
    directory = Path(tempfile.mkdtemp(prefix="pushhub-disk-"))
    directory.chmod(0o711)  # the unprivileged user of the servers must be able to enter it
    try:
        cluster = EmbeddedCluster(directory)
        folder, account = cluster.postgres.folder, cluster.postgres.home.account
        owner = f",uid={account.uid},gid={account.gid}" if account else ""
        _run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=700{owner}", "tmpfs", str(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
            _run("umount", str(folder))
    finally:
        home_remove(directory)


def fill(folder: Path) -> Path:
    """Write until the disk is full. Returns the file that fills it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for step in _STEPS:
            try:
                while True:
                    file.write(b"\0" * step)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return filler


@cache
def _mount_namespace_enter() -> None:
    """Once per process. Raises Skipped."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise Skipped("only root can mount a small disk")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise Skipped(f"cannot make a mount namespace: {os.strerror(ctypes.get_errno())}")
    _run("mount", "--make-rprivate", "/")


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise Skipped(f"{argv[0]}: {done.stderr.strip()}")
