"""The servers of this checkout, shared by `make run` and every `manage.py` command.

Whoever needs a server holds a shared lock on `<server>.users`. The first one starts a *keeper*, a process of its own
that runs the server and stops it once it can take that lock for itself. The kernel releases locks of the dead, so
`kill -9` of any user leaves nothing behind, and nobody counts anything.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .account import EmbeddedError, home_for
from .postgres import Postgres
from .server import Server
from .state import CHECKOUT, Lock, locked, secrets_get, state_folder
from .valkey import Valkey

SERVERS: dict[str, type[Server]] = {"postgres": Postgres, "valkey": Valkey}
VARIABLES = {"postgres": ("DATABASE_URL",), "valkey": ("CELERY_BROKER_URL", "CACHE_URL")}
RESTARTS = 5
POLL_SECONDS = 0.1


def server_make(name: str, folder: Path) -> Server:
    return SERVERS[name](home_for(folder), folder / f"{name}.log", password=secrets_get(folder)[name])


def given(variable: str) -> bool:
    """Whether the environment says it, directly or as a file."""
    return bool(os.environ.get(variable) or os.environ.get(f"{variable}_FILE"))


def servers_needed() -> list[str]:
    """Those whose addresses the environment does not give."""
    return [name for name, variables in VARIABLES.items() if not all(given(variable) for variable in variables)]


class Services:
    """This process's hold on the servers it needs. Released at the latest when the process ends."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        self.names = names
        self._held: list[Lock] = []

    def acquire(self) -> None:
        """Hold every needed server, start those that are not up, and put their addresses into the environment."""
        for name in self.names:
            lock = Lock(self.folder / f"{name}.users")
            lock.take(shared=True)  # waits while a keeper is just stopping the server
            self._held.append(lock)
        self.ensure()
        _export(self.folder, self.names)

    def ensure(self) -> None:
        """Start keepers that are missing, all at once, and wait until their servers answer. Raises EmbeddedError."""
        with locked(self.folder / "start.lock"):
            home_for(self.folder)  # chosen once, before two keepers look for it
            starting = [_keeper_start(name, self.folder) for name in self.names if not keeper_alive(name, self.folder)]
            failures = [said for keeper in starting if (said := _keeper_wait(keeper))]
        if failures:
            raise EmbeddedError("\n".join(failures))

    def release(self) -> None:
        """Let go; whoever is last lets the keepers stop the servers."""
        while self._held:
            self._held.pop().close()

    def wait_stopped(self, *, seconds: float) -> None:
        """Wait until the keepers are gone, unless other commands still use their servers."""
        deadline = time.monotonic() + seconds
        for name in self.names:
            while keeper_alive(name, self.folder) and not _used(name, self.folder) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)


@contextmanager
def ensure_services() -> Iterator[Services]:
    """Make the environment complete: servers up, addresses and secrets set. Given variables are left alone."""
    services = Services(state_folder(), servers_needed())
    try:
        services.acquire()
        yield services
    finally:
        services.release()


def keeper_alive(name: str, folder: Path) -> bool:
    return not _free(folder / f"{name}.keeper")


def keep(name: str, folder: Path) -> int:
    """Run one server until nobody uses it. The keeper's main loop; says `ready` or what failed on standard output."""
    mine = Lock(folder / f"{name}.keeper")
    mine.take()  # only somebody's glance at it can be in the way: `start.lock` lets one keeper start at a time
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: stopping.append(caught))
    server = server_make(name, folder)
    try:
        server.start()
        print("ready", flush=True)
        _talk_to(server.log)
        _watch(server, folder, stopping)
    except EmbeddedError as error:
        print(error, flush=True)
        return 1
    finally:
        server.stop()
        # Before the users' lock, which goes with the process: whoever waits for that must not take this one for alive.
        # Left to the kernel, the locks go in the reverse order.
        mine.close()
    return 0


def _watch(server: Server, folder: Path, stopping: list[int]) -> None:
    users = Lock(folder / f"{server.name}.users")
    restarts = 0
    while not stopping and not users.take(wait=False):
        if not server.running:
            restarts += 1
            if restarts > RESTARTS:
                return
            server.start()
        if not (folder / "secrets.json").exists():
            return  # somebody deleted the state folder: there is nothing left to serve
        time.sleep(POLL_SECONDS)


def _talk_to(log: Path) -> None:
    """Leave the pipe to the process that started this one: it may be gone long before."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())


def _keeper_start(name: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pushhub.embedded", "keep", name],
        cwd=CHECKOUT,
        env={**os.environ, "PUSHHUB_STATE_DIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # outlives this command if another one has joined by then
    )


def _keeper_wait(keeper: subprocess.Popen[str]) -> str:
    """What failed, or nothing once it is ready."""
    assert keeper.stdout is not None
    with keeper.stdout as stdout:
        said = stdout.readline()
        return "" if said == "ready\n" else said + stdout.read()


def _export(folder: Path, names: list[str]) -> None:
    values = {name: value for name, value in secrets_get(folder).items() if name.isupper()}
    for name in names:
        server = server_make(name, folder)
        addresses = {"DATABASE_URL": ""} if name == "postgres" else {"CELERY_BROKER_URL": "0", "CACHE_URL": "1"}
        values |= {variable: server.url(database) for variable, database in addresses.items()}
    os.environ.update({name: value for name, value in values.items() if not given(name)})


def _free(path: Path) -> bool:
    lock = Lock(path)
    try:
        return lock.take(shared=True, wait=False)
    finally:
        lock.close()


def _used(name: str, folder: Path) -> bool:
    """Whether any process holds the server. The keeper itself counts while it is stopping; then nobody else does."""
    lock = Lock(folder / f"{name}.users")
    try:
        return not lock.take(wait=False) and lock.take(shared=True, wait=False)
    finally:
        lock.close()
