"""Runs the service's processes: prefixes their output, restarts crashed processes, and stops all of them together."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pushhub.kernel.backoff import Backoff

from .account import EmbeddedError
from .process import kill_group, spawn
from .state import write_private

STOP_SECONDS = 15.0
CRASHES_AT_START = 5
STABLE_SECONDS = 60.0  # a process that ran for so long has recovered
RESTARTS = Backoff(base=0.5, cap=60.0)
TICK_SECONDS = 0.2
WATCH_SECONDS = 1.0


@dataclass
class Child:
    """One supervised process. `failures` counts its crashes since it last ran for STABLE_SECONDS; `ending` describes
    the last one. `last_lines` is shown when the service cannot start."""

    name: str
    argv: list[str]
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    started_at: float = 0.0
    failures: int = 0
    ending: str = ""
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    partial: bytes = b""

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Owns the children while `run()` runs. It must run in the main thread, which receives the signals.

    A child that crashes again and again is restarted after growing pauses, while the others continue. `report` is the
    file that tells /readyz about it (pushhub.http.health).
    """

    def __init__(
        self,
        children: list[Child],
        *,
        env: Mapping[str, str],
        cwd: Path,
        watch: Callable[[], None],
        report: Path | None = None,
    ) -> None:
        self.children = children
        self._env = env
        self._cwd = cwd
        self._watch = watch
        self._watch_at = 0.0
        self._watch_failures = 0
        self._report = report
        self._reported: dict[str, str] | None = None
        self._width = max(len(child.name) for child in children)
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._announced = False
        self._failed = False

    def run(self, *, on_first_tick: Callable[[], bool]) -> int:
        """Runs until a signal arrives. `on_first_tick` is called after each tick until it returns True; only before,
        while the service starts, a child that crashes too often ends the run. The result is the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda caught, _frame: self._signals.append(caught))
        try:
            while not self._signals and not self._failed:
                self._tick()
                self._announced = self._announced or on_first_tick()
        finally:
            self._stop()
        return 1 if self._failed else 0

    def print_line(self, name: str, text: str) -> None:
        print(f"{name:<{self._width}} │ {text}", flush=True)

    def _tick(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is None and now >= child.start_at:
                self._start(child)
        self._read(TICK_SECONDS)
        for child in self.children:
            if child.process is not None and not child.alive:
                self._crashed(child)
            elif child.alive and now - child.started_at >= STABLE_SECONDS:
                child.failures = 0
        if now >= self._watch_at:
            self._watch_servers(now)
        self._degradation_report()

    def _start(self, child: Child) -> None:
        child.started_at = time.monotonic()
        read_end, write_end = os.pipe()
        try:
            child.process = spawn(
                child.argv, env=self._env, output=write_end, on_owner_death=signal.SIGTERM, cwd=self._cwd
            )
        except OSError as error:  # the machine has no process or no memory left
            os.close(read_end)
            self._restart_later(child, f"{error.strerror} at its start")
            return
        finally:
            os.close(write_end)
        os.set_blocking(read_end, False)
        self._selector.register(read_end, selectors.EVENT_READ, child)

    def _read(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            child: Child = key.data
            part = os.read(key.fd, 65536)
            if not part:
                self._selector.unregister(key.fd)
                os.close(key.fd)
            *lines, child.partial = (child.partial + part).split(b"\n")
            for line in lines:
                text = line.decode(errors="replace")
                child.last_lines.append(text)
                self.print_line(child.name, text)

    def _crashed(self, child: Child) -> None:
        assert child.process is not None
        code = child.process.returncode
        kill_group(child.process)  # its workers may still run
        child.process = None
        self._restart_later(child, _ending(code))

    def _restart_later(self, child: Child, ending: str) -> None:
        now = time.monotonic()
        stable = now - child.started_at >= STABLE_SECONDS
        child.failures, child.ending = 1 if stable else child.failures + 1, ending
        if not self._announced and child.failures >= CRASHES_AT_START:
            self._give_up(child)
            return
        wait = RESTARTS.full_jitter(child.failures - 1)
        child.start_at = now + wait
        self.print_line(child.name, f"ended with {ending}; starting again in {wait:.1f} s")

    def _give_up(self, child: Child) -> None:
        """While the service starts: nothing is lost, and a person is probably looking."""
        self._failed = True
        self._read(0)
        self.print_line(child.name, f"ended {child.failures} times (now with {child.ending}). Giving up.")
        self.print_line(child.name, "Its last lines were:")
        for line in list(child.last_lines):
            self.print_line(child.name, f"    {line}")

    def _watch_servers(self, now: float) -> None:
        """PostgreSQL and Valkey: a server that does not start is tried again too."""
        self._watch_at = now + WATCH_SECONDS
        try:
            self._watch()
        except EmbeddedError as error:
            self._watch_failures += 1
            wait = RESTARTS.full_jitter(self._watch_failures)
            self._watch_at = now + max(WATCH_SECONDS, wait)
            self.print_line("servers", f"{error}; trying again in {wait:.1f} s")
        else:
            self._watch_failures = 0

    def _degradation_report(self) -> None:
        """Writes `{name: what happened}` when it changes. On a full disk it is written later."""
        found = {child.name: f"ended {child.failures} times, last with {child.ending}" for child in self._unstable()}
        if self._watch_failures:
            found["servers"] = f"did not start {self._watch_failures} times"
        if self._report is not None and found != self._reported:
            with contextlib.suppress(OSError):
                write_private(self._report, json.dumps(found))
                self._reported = found

    def _unstable(self) -> list[Child]:
        return [child for child in self.children if child.failures]

    def _stop(self) -> None:
        """TERM lets requests and tasks finish. After STOP_SECONDS, or after a second signal, the rest is killed."""
        signals_before = len(self._signals)
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while any(process.poll() is None for process in running):
            if time.monotonic() > deadline or len(self._signals) > signals_before:
                break
            self._read(0.05)
        for process in running:
            kill_group(process)
        self._read(0)


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
