"""Starts and stops operating-system processes so that no process outlives its owner."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from .account import Account

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def death_signal(number: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` that makes the kernel send the signal to the child when its parent dies, even by `kill -9`.

    Linux ties this to the *thread* that forked: the child of a short-lived thread would die with that thread. Outside
    of the main thread, and on other systems, the result is None, and the owner must stop the child itself.
    """
    libc = _libc
    if libc is None or threading.current_thread() is not threading.main_thread():
        return None
    parent = os.getpid()

    def arm() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os.kill(os.getpid(), number)

    return arm


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    output: IO[bytes] | int,
    on_owner_death: signal.Signals,
    account: Account | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Starts `argv` in a new process group, so that Ctrl-C reaches only the owner."""
    return subprocess.Popen(
        [str(part) for part in argv],
        env=dict(env),
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        process_group=0,
        preexec_fn=death_signal(on_owner_death),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def stop(process: subprocess.Popen[bytes], number: signal.Signals, *, seconds: float) -> bool:
    """Asks `process` to end, then kills the rest of its group. False if the process had to be killed."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_group(process)
        return False
    kill_group(process)
    return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(ready: Callable[[], bool], *, seconds: float, every: float = 0.02) -> bool:
    """Calls `ready` until it is true or the time is over. Returns its last value."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
