"""Runs the service's processes: prefixes their output, restarts crashed processes, and stops all of them together."""

from __future__ import annotations

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

from .process import kill_group, spawn

STOP_SECONDS = 15.0
CRASHES_ALLOWED = 5
CRASH_WINDOW_SECONDS = 60.0
RESTARTS = Backoff(base=0.5, cap=10.0)
TICK_SECONDS = 0.2
WATCH_SECONDS = 1.0


@dataclass
class Child:
    """One supervised process. `last_lines` is shown when it is not restarted any more."""

    name: str
    argv: list[str]
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    crashes: deque[float] = field(default_factory=lambda: deque(maxlen=CRASHES_ALLOWED))
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    partial: bytes = b""

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Owns the children while `run()` runs. It must run in the main thread, which receives the signals."""

    def __init__(self, children: list[Child], *, env: Mapping[str, str], cwd: Path, watch: Callable[[], None]) -> None:
        self.children = children
        self._env = env
        self._cwd = cwd
        self._watch = watch
        self._watch_at = 0.0
        self._width = max(len(child.name) for child in children)
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._failed = False

    def run(self, *, on_first_tick: Callable[[], bool]) -> int:
        """Runs until a signal arrives or a child crashes too often. `on_first_tick` is called after each tick until it
        returns True. The result is the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda caught, _frame: self._signals.append(caught))
        announced = False
        try:
            while not self._signals and not self._failed:
                self._tick()
                announced = announced or on_first_tick()
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
        if now >= self._watch_at:
            self._watch_at = now + WATCH_SECONDS
            self._watch()

    def _start(self, child: Child) -> None:
        read_end, write_end = os.pipe()
        child.process = spawn(child.argv, env=self._env, output=write_end, on_owner_death=signal.SIGTERM, cwd=self._cwd)
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
        now = time.monotonic()
        child.crashes.append(now)
        recent = [when for when in child.crashes if now - when < CRASH_WINDOW_SECONDS]
        if len(recent) >= CRASHES_ALLOWED:
            self._failed = True
            self._read(0)
            self.print_line(
                child.name, f"ended {len(recent)} times within a minute (now with {_ending(code)}). Giving up."
            )
            self.print_line(child.name, "Its last lines were:")
            for line in list(child.last_lines):
                self.print_line(child.name, f"    {line}")
            return
        wait = RESTARTS.longest(len(recent) - 1)
        child.start_at = now + wait
        self.print_line(child.name, f"ended with {_ending(code)}; starting again in {wait:g} s")

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
