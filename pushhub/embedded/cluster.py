"""A private PostgreSQL and Valkey, several at once if need be: for tests, fault runs and benchmarks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from .account import home_for, home_remove
from .postgres import Postgres
from .state import secrets_get
from .valkey import Valkey


class EmbeddedCluster:
    """PostgreSQL and Valkey whose data, log and secrets live in `directory`.

    `durable=False` turns fsync off: three times faster for unit tests, but a kill of the *machine* may lose data.
    Ports are kept over restarts, so `env()` stays true. Call everything from the main thread: on Linux a server
    dies with the thread that started it, which is also why none outlives a killed test run.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory
        home = home_for(directory)
        self._secrets = secrets_get(directory)
        self.postgres = Postgres(home, directory / "postgres.log", password=self._secrets["postgres"], durable=durable)
        self.valkey = Valkey(home, directory / "valkey.log", password=self._secrets["valkey"], durable=durable)

    @classmethod
    @contextmanager
    def temporary(cls, *, durable: bool = True) -> Iterator[Self]:
        """A started throw-away cluster; its folder is deleted afterwards."""
        directory = Path(tempfile.mkdtemp(prefix="pushhub-cluster-"))
        if os.geteuid() == 0:
            directory.chmod(0o711)  # the servers' unprivileged user passes through
        try:
            cluster = cls(directory, durable=durable)
            try:
                cluster.start()
                yield cluster
            finally:
                cluster.stop()
        finally:
            home_remove(directory)

    def start(self) -> None:
        """Start both and wait until they answer. Raises EmbeddedError."""
        self.postgres.start()
        self.valkey.start()

    def stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()

    def kill_postgres(self) -> None:
        """`kill -9` of the postmaster; returns when its children have left too."""
        self.postgres.kill()

    def restart_postgres(self) -> None:
        """Start PostgreSQL again on the same port, crash recovery included."""
        self.postgres.start()

    def kill_valkey(self) -> None:
        self.valkey.kill()

    def restart_valkey(self) -> None:
        self.valkey.start()

    def env(self) -> dict[str, str]:
        """The variables by which the service finds this cluster, its own secrets included."""
        return {
            "DATABASE_URL": self.postgres.url(),
            "CELERY_BROKER_URL": self.valkey.url("0"),
            "CACHE_URL": self.valkey.url("1"),
            **{name: value for name, value in self._secrets.items() if name.isupper()},
        }
