"""A private PostgreSQL and Valkey for tests, fault runs and benchmarks. Several can run at the same time."""

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
    """PostgreSQL and Valkey with their data, logs and secrets in `directory`.

    `durable=False` turns fsync off. Unit tests are then three times faster, but a crash of the *machine* may lose data.
    The ports stay the same after a restart, so `env()` stays valid. Call all methods from the main thread: on Linux a
    server dies with the thread that started it. For the same reason no server outlives a killed test run.
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
        """A started cluster. Its folder is deleted at the end."""
        directory = Path(tempfile.mkdtemp(prefix="pushhub-cluster-"))
        if os.geteuid() == 0:
            directory.chmod(0o711)  # the unprivileged user of the servers must enter it
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
        """Starts both and waits until they respond. Raises EmbeddedError."""
        self.postgres.start()
        self.valkey.start()

    def stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()

    def kill_postgres(self) -> None:
        """`kill -9` of the postmaster. Returns after its children have ended too."""
        self.postgres.kill()

    def restart_postgres(self) -> None:
        """Starts PostgreSQL again on the same port, with crash recovery."""
        self.postgres.start()

    def kill_valkey(self) -> None:
        self.valkey.kill()

    def restart_valkey(self) -> None:
        self.valkey.start()

    def env(self) -> dict[str, str]:
        """The environment variables of a service that uses this cluster: addresses and secrets."""
        return {
            "DATABASE_URL": self.postgres.url(),
            "CELERY_BROKER_URL": self.valkey.url("0"),
            "CACHE_URL": self.valkey.url("1"),
            **{name: value for name, value in self._secrets.items() if name.isupper()},
        }
