"""The common part of the embedded servers, PostgreSQL and Valkey."""

from __future__ import annotations

import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from .account import EmbeddedError, Home
from .ports import port_pick
from .process import kill_group, spawn, stop, wait_until

START_SECONDS = 60.0  # crash recovery with a large write-ahead log is slow
STOP_SECONDS = 20.0
PORT_ATTEMPTS = 5


class Server(ABC):
    """One server process on 127.0.0.1, its data folder and its log. Not safe to share between threads."""

    name: ClassVar[str]
    end_signal: ClassVar[signal.Signals]
    port_taken: ClassVar[str]
    """The line in the server's log when another process listens on its port."""

    def __init__(self, home: Home, log: Path, *, password: str, durable: bool = True) -> None:
        self.home = home
        self.log = log
        self.password = password
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = home.make(self.name)
        self._port_file = self.folder / "port"

    @property
    def port(self) -> int:
        """The port of the last start; 0 before the first start."""
        try:
            return int(self._port_file.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Starts on the last port or another free one, and waits until the server is ready. Raises EmbeddedError."""
        if self.running:
            return
        self._prepare()
        for _ in range(PORT_ATTEMPTS):
            self._port_file.write_text(str(port_pick(self.port)))
            begin = self.log.stat().st_size if self.log.exists() else 0
            self.process = self._spawn()
            process = self.process
            wait_until(lambda p=process: p.poll() is not None or self._is_ready(), seconds=START_SECONDS)  # type: ignore[misc]
            if self.running and self._is_ready():
                return
            self.kill()
            output = self.log.read_bytes()[begin:].decode(errors="replace")
            if self.port_taken not in output:
                break
        raise EmbeddedError(f"{self.name} did not start. The end of {self.log}:\n{tail(output)}")

    def stop(self) -> None:
        """Shuts the server down. Everything written is kept."""
        if self.process is not None:
            stop(self.process, self.end_signal, seconds=STOP_SECONDS)

    def kill(self) -> None:
        """`kill -9` of the server and its process group."""
        if self.process is not None:
            kill_group(self.process)

    @abstractmethod
    def url(self, database: str = "") -> str:
        """The address for clients, with the password."""

    @abstractmethod
    def _prepare(self) -> None: ...

    @abstractmethod
    def _spawn(self) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def _is_ready(self) -> bool: ...

    def _launch(self, argv: list[str | Path], *, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return spawn(
                argv,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                output=output.fileno(),
                on_owner_death=self.end_signal,
                account=self.home.account,
                cwd=self.folder,
                stdin=stdin,
            )


def tail(text: str, *, lines: int = 15) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
