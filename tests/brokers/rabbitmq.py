"""Debian's RabbitMQ for one test: with its own nodes, ports, cookie and epmd, all of which are removed at the end."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from pushhub.embedded.account import Home
from pushhub.embedded.ports import LOOPBACK, port_free, port_pick
from pushhub.embedded.process import kill_group, spawn, wait_until
from pushhub.embedded.server import Server

# Not the wrapper on PATH, which requires the system's user and folders.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


class RabbitMQ(Server):
    """A node, which joins the cluster of the running node `join` if it is given. Raises EmbeddedError, as every Server.

    RabbitMQ allows `guest` to log in from this machine only.
    """

    name: ClassVar[str] = "rabbitmq"
    end_signal: ClassVar[signal.Signals] = signal.SIGTERM
    port_taken: ClassVar[str] = "eaddrinuse"

    def __init__(self, home: Home, log: Path, *, join: RabbitMQ | None = None) -> None:
        super().__init__(home, log, password="guest")
        self._join = join
        self._distribution_port = port_pick()
        self._epmd_port: int = join._epmd_port if join else port_pick()
        self._cookie: str = join._cookie if join else secrets.token_hex()
        self._epmd: subprocess.Popen[bytes] | None = None
        self.node = f"pushhub{self._distribution_port}@localhost"

    @override
    def url(self, database: str = "") -> str:
        return f"amqp://guest:{self.password}@{LOOPBACK}:{self.port}//"

    @override
    def stop(self) -> None:
        super().stop()
        if self._epmd is not None:
            kill_group(self._epmd)

    @override
    def kill(self) -> None:
        """Also waits until the port is free, which takes a moment."""
        super().kill()
        wait_until(lambda: port_free(self.port), seconds=5)

    @override
    def _prepare(self) -> None:
        """Starts a separate port mapper: Erlang would start one for the whole machine and leave it running."""
        if self._join:
            (self.folder / "rabbitmq.conf").write_text(_formation([self._join.node, self.node]))
        elif self._epmd is None:
            argv: list[str | Path] = ["epmd", "-port", str(self._epmd_port), "-address", LOOPBACK]
            self._epmd = self._child(argv, signal.SIGKILL)

    @override
    def _spawn(self) -> subprocess.Popen[bytes]:
        return self._child([PROGRAM], self.end_signal)

    @override
    def _is_ready(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(PROTOCOL_HEADER)
                return bool(connection.recv(1))
        except OSError:
            return False

    def _child(self, argv: list[str | Path], on_owner_death: signal.Signals) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return spawn(
                argv,
                env=self._environment(),
                output=output.fileno(),
                on_owner_death=on_owner_death,
                account=self.home.account,
                cwd=self.folder,
            )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1"
            f" -setcookie {self._cookie}",
            "RABBITMQ_BASE": str(self.folder),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
        }


def _formation(nodes: list[str]) -> str:
    """rabbitmq.conf for a node in a cluster of `nodes`."""
    named = [f"cluster_formation.classic_config.nodes.{number} = {node}" for number, node in enumerate(nodes, 1)]
    return "\n".join(["cluster_formation.peer_discovery_backend = classic_config", *named, ""])
