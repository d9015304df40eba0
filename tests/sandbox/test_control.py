"""The control API, the page, and the process."""

import os
import subprocess
import sys
import time

import pytest
import requests

from sandbox.app import listen
from sandbox.testing import SandboxProcess
from tests.sandbox.sender import Sender


def test_messages_are_read_from_a_cursor(sandbox: SandboxProcess, sender: Sender) -> None:
    (subscription,) = sandbox.mint_web()
    for _ in range(3):
        sender.send(subscription)
    page = sandbox.get("messages", limit=2)
    assert len(page["messages"]) == 2
    assert len(sandbox.get("messages", since=page["cursor"])["messages"]) == 1


def test_messages_are_filtered_by_user(sandbox: SandboxProcess, sender: Sender) -> None:
    for user in ("alice", "bob"):
        sender.send(sandbox.mint_web(user=user)[0])
    assert [caught["user"] for caught in sandbox.messages(user="bob")] == ["bob"]


def test_accounting_finds_messages_that_arrived_twice(sandbox: SandboxProcess, sender: Sender) -> None:
    once, twice = sandbox.mint_web(2)
    for subscription in (once, twice, twice):
        sender.send(subscription)
    accounting = sandbox.accounting()
    assert (accounting["messages"], accounting["distinct"]) == (3, 2)
    assert accounting["repeated"] == [{"target": twice["endpoint"], "count": 2}]


def test_private_keys_are_not_returned(sandbox: SandboxProcess) -> None:
    (subscription,) = sandbox.mint_web()
    assert sorted(subscription["keys"]) == ["auth", "p256dh"]


def test_reset_deletes_messages_and_continues_the_cursor(sandbox: SandboxProcess, sender: Sender) -> None:
    sender.send(sandbox.mint_web()[0])
    before = sandbox.messages()[0]["cursor"]
    sandbox.reset()
    sender.send(sandbox.mint_web()[0])
    assert [caught["cursor"] for caught in sandbox.messages()] == [before + 1]


@pytest.mark.parametrize("body", ["[]", "{", '{"target": 1}', '{"seconds": "soon"}', "\x00"])
@pytest.mark.parametrize("path", ["behaviours", "outage", "sns/delays"])
def test_invalid_options_are_400_with_a_reason(sandbox: SandboxProcess, path: str, body: str) -> None:
    response = requests.post(f"{sandbox.url}/sandbox/{path}", data=body, timeout=5)
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"), [({"Host": "rebound.example"}, 421), ({"Origin": "https://evil.example"}, 403)]
)
def test_other_sites_cannot_use_the_sandbox(sandbox: SandboxProcess, headers: dict[str, str], status: int) -> None:
    response = requests.post(f"{sandbox.url}/sandbox/reset", headers=headers, timeout=5)
    assert response.status_code == status


def test_the_page_loads_nothing_from_outside(sandbox: SandboxProcess) -> None:
    page = requests.get(sandbox.url, timeout=5)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_only_loopback_is_bound(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        listen(host, 0)


def test_without_decryption_headers_are_still_checked() -> None:
    with SandboxProcess(decrypt=False) as sandbox:
        sender = Sender(sandbox.url)
        (subscription,) = sandbox.mint_web()
        assert sender.send(subscription).status_code == 201
        assert sender.send(subscription, headers={"TTL": None}).status_code == 400
        assert sandbox.messages()[0]["payload"] is None


def test_the_process_ends_with_its_parent() -> None:
    start = "from sandbox.testing import SandboxProcess; print(SandboxProcess().start().pid, flush=True)"
    code = f"{start}; import os; os._exit(9)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=20)
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{child.stdout.strip()}/cmdline") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert time.monotonic() < deadline


def test_a_caught_notification_is_one_line_in_the_terminal() -> None:
    command = [sys.executable, "-u", "-m", "sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        origin = process.stdout.readline().split()[1].rstrip("/")
        process.stdout.readline()
        options = {"user": "alice"}
        minted = requests.post(f"{origin}/sandbox/devices/web", json=options, timeout=5).json()["subscriptions"][0]
        Sender(origin).send(minted)
        line = process.stdout.readline()
        process.terminate()
    assert "alice" in line
    assert "Hello" in line
