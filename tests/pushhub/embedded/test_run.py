"""`make run` with real servers, web, workers and beat, in a temporary state folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pushhub.embedded.account import home_remove
from pushhub.embedded.ports import port_pick
from pushhub.embedded.process import wait_until
from pushhub.embedded.services import SERVERS, keeper_alive
from pushhub.embedded.state import CHECKOUT

ANNOUNCED = "Ctrl-C stops everything"
ADDRESSES = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL")


@dataclass
class Run:
    state: Path
    url: str
    env: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path

    def argv(self) -> list[str]:
        return [sys.executable, "-m", "pushhub.embedded", "run"]

    def family(self) -> set[int]:
        """All processes of this run: they have its state folder in their environment."""
        mark = f"PUSHHUB_STATE_DIR={self.state}\0".encode()
        found = set()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
        return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    state = tmp_path_factory.mktemp("a run") / "state"
    port = port_pick()
    env = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
    env |= {"PUSHHUB_STATE_DIR": str(state), "PORT": str(port), "DJANGO_SETTINGS_MODULE": "pushhub.settings.run"}
    log = state.with_name("log")
    with log.open("wb") as output:
        argv = [sys.executable, "-m", "pushhub.embedded", "run"]
        process = subprocess.Popen(argv, cwd=CHECKOUT, env=env, stdout=output, stderr=subprocess.STDOUT)
    wait_until(lambda: process.poll() is not None or ANNOUNCED in log.read_text(), seconds=90, every=0.2)
    yield Run(state, f"http://127.0.0.1:{port}", env, process, log)
    process.kill()
    wait_until(lambda: not any(keeper_alive(name, state) for name in SERVERS), seconds=20)
    home_remove(state)


def test_it_prints_its_address_when_it_responds(run: Run) -> None:
    assert ANNOUNCED in run.log.read_text()
    with urllib.request.urlopen(f"{run.url}/livez", timeout=5) as response:
        assert response.status == 200


def test_the_printed_secrets_are_stored_in_a_private_file(run: Run) -> None:
    stored = run.state / "demo.json"
    assert json.loads(stored.read_text())["server_key"] in run.log.read_text()
    assert stored.stat().st_mode & 0o077 == 0


def test_the_printed_curl_reaches_the_simulated_browser(run: Run) -> None:
    output = run.log.read_text()
    found = re.search(r"^    curl .*?\}'$", output, re.MULTILINE | re.DOTALL)
    assert found, output
    created = json.loads(subprocess.check_output(["bash", "-c", found[0]]))
    port = (run.state / "sandbox.port").read_text()

    def received() -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sandbox/messages?user=alice", timeout=5) as page:
            return [message["payload"]["pushhub"]["notification"] for message in json.load(page)["messages"]]

    assert wait_until(lambda: received() == [created["id"]], seconds=20), run.log.read_text()


def test_a_second_run_is_refused_with_the_address_of_the_first(run: Run) -> None:
    second = subprocess.run(run.argv(), cwd=CHECKOUT, env=run.env, capture_output=True, text=True)
    assert second.returncode == 1
    assert f"Already running in this folder, at {run.url}." in second.stderr


def test_a_management_command_uses_the_running_servers(run: Run) -> None:
    argv = [sys.executable, "manage.py", "migrate", "--check"]
    assert subprocess.run(argv, cwd=CHECKOUT, env=run.env).returncode == 0


def test_sigterm_leaves_no_process(run: Run) -> None:
    assert len(run.family()) >= 8  # supervisor, two keepers, web and its workers, two Celery workers, beat
    run.process.terminate()
    assert run.process.wait(40) == 0
    assert run.family() == set()
