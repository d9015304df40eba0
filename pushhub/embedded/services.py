"""The servers of this checkout, shared by `make run` and every `manage.py` command.

A process that needs a server takes a shared lock on `<server>.users`. The first such process starts a *keeper*: a
separate process that runs the server, and stops it when it gets that lock exclusively. The kernel releases the locks of
a dead process, so `kill -9` of any of them leaves nothing behind, and no process has to count users.
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


def is_set(variable: str) -> bool:
    """Whether the environment sets the variable, directly or as a file."""
    return bool(os.environ.get(variable) or os.environ.get(f"{variable}_FILE"))


def servers_needed() -> list[str]:
    """The servers whose addresses the environment does not set."""
    return [name for name, variables in VARIABLES.items() if not all(is_set(variable) for variable in variables)]


class Services:
    """The servers that this process uses. The kernel releases their locks when the process ends."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        self.names = names
        self._locks: list[Lock] = []

    def acquire(self) -> None:
        """Locks the servers, starts those that are not running, and sets their addresses in the environment."""
        for name in self.names:
            lock = Lock(self.folder / f"{name}.users")
            lock.take(shared=True)  # waits while a keeper is stopping the server
            self._locks.append(lock)
        self.ensure()
        _export(self.folder, self.names)

    def ensure(self) -> None:
        """Starts all missing keepers together, and waits until their servers are ready. Raises EmbeddedError."""
        with locked(self.folder / "start.lock"):
            home_for(self.folder)  # chooses the home once, before two keepers do
            starting = [_keeper_start(name, self.folder) for name in self.names if not keeper_alive(name, self.folder)]
            failures = [failure for keeper in starting if (failure := _keeper_wait(keeper))]
        if failures:
            raise EmbeddedError("\n".join(failures))

    def release(self) -> None:
        """Releases the locks. When no other process has one, the keepers stop the servers."""
        while self._locks:
            self._locks.pop().close()

    def wait_stopped(self, *, seconds: float) -> None:
        """Waits until the keepers have ended, unless other commands still use their servers."""
        deadline = time.monotonic() + seconds
        for name in self.names:
            while keeper_alive(name, self.folder) and not _used(name, self.folder) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)


@contextmanager
def ensure_services() -> Iterator[Services]:
    """Completes the environment: starts servers, sets addresses and secrets. Variables that are set stay unchanged."""
    services = Services(state_folder(), servers_needed())
    try:
        services.acquire()
        yield services
    finally:
        services.release()


def keeper_alive(name: str, folder: Path) -> bool:
    return not lock_is_free(folder / f"{name}.keeper")


def keep(name: str, folder: Path) -> int:
    """The keeper's main loop: runs one server until no process uses it. Prints `ready`, or what failed."""
    keeper_lock = Lock(folder / f"{name}.keeper")
    keeper_lock.take()  # waits only for a check of this lock, because `start.lock` lets one keeper start at a time
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: stopping.append(caught))
    server = server_make(name, folder)
    try:
        server.start()
        print("ready", flush=True)
        output_redirect(server.log)
        _watch(server, folder, stopping)
    except EmbeddedError as error:
        print(error, flush=True)
        return 1
    finally:
        server.stop()
        # Released before the users' lock, which ends with the process: a command that waits for the users' lock must
        # not find this keeper alive. The kernel would release the two locks in the reverse order.
        keeper_lock.close()
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
            return  # the state folder was deleted: no data is left
        time.sleep(POLL_SECONDS)


def output_redirect(log: Path) -> None:
    """Sends the output of this process to the log. The process that reads the pipe may end long before this one."""
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
        start_new_session=True,  # the keeper may outlive this command, when another command uses the server too
    )


def _keeper_wait(keeper: subprocess.Popen[str]) -> str:
    """Waits until the server is ready. Returns what failed, or an empty string."""
    assert keeper.stdout is not None
    with keeper.stdout as stdout:
        line = stdout.readline()
        return "" if line == "ready\n" else line + stdout.read()


def _export(folder: Path, names: list[str]) -> None:
    values = {name: value for name, value in secrets_get(folder).items() if name.isupper()}
    for name in names:
        server = server_make(name, folder)
        addresses = {"DATABASE_URL": ""} if name == "postgres" else {"CELERY_BROKER_URL": "0", "CACHE_URL": "1"}
        values |= {variable: server.url(database) for variable, database in addresses.items()}
    os.environ.update({name: value for name, value in values.items() if not is_set(name)})


def lock_is_free(path: Path) -> bool:
    lock = Lock(path)
    try:
        return lock.take(shared=True, wait=False)
    finally:
        lock.close()


def _used(name: str, folder: Path) -> bool:
    """Whether any process has a shared lock on the server. A keeper that is stopping has the exclusive lock: then no
    process uses the server."""
    lock = Lock(folder / f"{name}.users")
    try:
        return not lock.take(wait=False) and lock.take(shared=True, wait=False)
    finally:
        lock.close()
