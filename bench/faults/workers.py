"""Processes that can be frozen, killed and started again. A Celery worker and its children form one process group."""

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pushhub.embedded.process import kill_group, spawn, stop, wait_until
from pushhub.embedded.state import CHECKOUT

STOP_SECONDS = 20.0
FREEZE_SECONDS = 10.0


class Group:
    """One program of the service with its children, for example a Celery worker."""

    def __init__(self, name: str, argv: list[str], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._argv = argv
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = spawn(
                self._argv, env=self._env, output=output.fileno(), on_owner_death=signal.SIGTERM, cwd=CHECKOUT
            )

    def terminate(self, *, whole: bool) -> None:
        """Send SIGTERM to the parent or, as some service managers do, to every process of the group."""
        assert self._process is not None
        (os.killpg if whole else os.kill)(self._process.pid, signal.SIGTERM)

    def stop(self) -> bool:
        """Send SIGTERM to the parent and wait. False if the group had to be killed."""
        return stop(self._process, signal.SIGTERM, seconds=STOP_SECONDS) if self._process else True

    def kill(self) -> None:
        if self._process is not None:
            kill_group(self._process)

    def kill_a_child(self, rng: random.Random) -> bool:
        """False if it has no child, for example while it starts."""
        children = [pid for pid in self._members() if self._process is not None and pid != self._process.pid]
        if children:
            _signal(rng.choice(sorted(children)), signal.SIGKILL)
        return bool(children)

    def freeze(self) -> None:
        """Returns when no member runs any more. Nothing is sent from then on."""
        if not self.running:
            return
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        wait_until(lambda: all(_state(pid) in "TZX" for pid in self._members()), seconds=FREEZE_SECONDS, every=0.002)

    def thaw(self) -> None:
        if self.running:
            assert self._process is not None
            os.killpg(self._process.pid, signal.SIGCONT)

    def _members(self) -> list[int]:
        assert self._process is not None
        group = self._process.pid
        pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if (found := _stat(pid)) and int(found[2]) == group]


class Frozen:
    """Stops several groups at the same time, so that their deliveries in flight can be counted."""

    def __init__(self, groups: list[Group]) -> None:
        self._groups = groups

    def __enter__(self) -> None:
        for group in self._groups:
            group.freeze()

    def __exit__(self, *_: object) -> None:
        for group in self._groups:
            group.thaw()


def _stat(pid: int) -> list[str]:
    """State, parent, process group and so on: the fields after the command in /proc/<pid>/stat. Empty if it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    return (_stat(pid) or ["X"])[0]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
