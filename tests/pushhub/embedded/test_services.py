"""The servers of a checkout, which commands share: real processes, and one state folder for each test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from pushhub.embedded import services
from pushhub.embedded.account import home_remove
from pushhub.embedded.process import wait_until
from pushhub.embedded.services import SERVERS, keeper_alive, server_make
from pushhub.embedded.state import CHECKOUT

Command = Callable[..., "subprocess.Popen[str]"]
ADDRESSES = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "a path with spaces"
    for folder in tmp_path.iterdir():
        assert wait_until(lambda folder=folder: not any_keeper(folder), seconds=20), "servers still run"  # type: ignore[misc]
        home_remove(folder)


@pytest.fixture
def with_servers(state: Path) -> Iterator[Command]:
    """Starts `python -c code` with the servers running."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *, folder: Path = state, **extra: str) -> subprocess.Popen[str]:
        env = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
        env |= {"PUSHHUB_STATE_DIR": str(folder), **extra}
        argv = [sys.executable, "-m", "pushhub.embedded", "with", sys.executable, "-uc", code]
        process = subprocess.Popen(
            argv,
            cwd=CHECKOUT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def any_keeper(folder: Path) -> bool:
    return folder.exists() and any(keeper_alive(name, folder) for name in SERVERS)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


PRINT_DATABASE = "import os; print(os.environ['DATABASE_URL'])"
PRINT_AND_WAIT = f"{PRINT_DATABASE}; input()"


def test_a_command_gets_running_servers(with_servers: Command) -> None:
    code = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute('SELECT 42').fetchone()[0])"
    assert with_servers(code).communicate()[0] == "42\n"


def test_two_commands_share_one_server(with_servers: Command) -> None:
    waiting = with_servers(PRINT_AND_WAIT)
    assert first_line(waiting) == first_line(with_servers(PRINT_DATABASE))


def test_the_servers_stop_after_the_last_command(with_servers: Command, state: Path) -> None:
    first, second = with_servers(PRINT_AND_WAIT), with_servers(PRINT_AND_WAIT)
    assert first_line(first) == first_line(second)

    first.communicate("\n")
    time.sleep(0.5)
    assert keeper_alive("postgres", state)

    second.communicate("\n")
    assert wait_until(lambda: not any_keeper(state), seconds=20)


def test_a_killed_command_leaves_no_server(with_servers: Command, state: Path) -> None:
    command = with_servers(PRINT_AND_WAIT + " # killed")
    first_line(command)
    subprocess.run(["pkill", "-9", "-P", str(command.pid)], check=True)
    command.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not any_keeper(state), seconds=20)


def test_data_stays_between_runs(with_servers: Command) -> None:
    code = "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True).execute('{}')"
    assert with_servers(code.format("CREATE TABLE kept ()")).communicate()[0] == ""
    assert with_servers(code.format("TABLE kept")).communicate()[0] == ""


def test_a_keeper_releases_its_own_lock_before_the_lock_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Mock()
    server.name = "postgres"
    monkeypatch.setattr(services, "server_make", Mock(return_value=server))
    monkeypatch.setattr(services, "output_redirect", Mock())
    monkeypatch.setattr(signal, "signal", Mock())
    services.keep("postgres", tmp_path)
    assert not keeper_alive("postgres", tmp_path)
    assert not services.lock_is_free(tmp_path / "postgres.users")


def test_two_folders_have_separate_servers(with_servers: Command, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert first_line(with_servers(PRINT_AND_WAIT)) != first_line(with_servers(PRINT_AND_WAIT, folder=other))


def test_no_server_is_started_when_the_environment_has_all_addresses(with_servers: Command, state: Path) -> None:
    addresses = {name: f"scheme://{name.lower()}" for name in ADDRESSES}
    assert first_line(with_servers(PRINT_AND_WAIT, **addresses)) == addresses["DATABASE_URL"]
    assert not any_keeper(state)


def test_only_the_missing_server_is_started(with_servers: Command, state: Path) -> None:
    first_line(with_servers(PRINT_AND_WAIT, DATABASE_URL="postgresql://elsewhere/x"))
    assert not keeper_alive("postgres", state)
    assert keeper_alive("valkey", state)


def test_a_pid_file_with_the_pid_of_another_program_is_ignored(with_servers: Command, state: Path) -> None:
    with_servers("pass").communicate()
    assert wait_until(lambda: not any_keeper(state), seconds=20)
    data = server_make("postgres", state).folder / "data"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")

    assert with_servers("print('up')").communicate()[0] == "up\n"


def test_a_taken_port_is_replaced(with_servers: Command, state: Path) -> None:
    with_servers("pass").communicate()
    assert wait_until(lambda: not any_keeper(state), seconds=20)
    port_file = server_make("postgres", state).folder / "port"
    before = int(port_file.read_text())
    with socket.create_server(("127.0.0.1", before)):
        assert with_servers("print('up')").communicate()[0] == "up\n"
    assert int(port_file.read_text()) != before


def test_secrets_are_private(with_servers: Command, state: Path) -> None:
    with_servers("pass").communicate()
    assert (state / "secrets.json").stat().st_mode & 0o077 == 0
