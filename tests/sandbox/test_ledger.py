"""A sandbox with a ledger: after a kill and a restart it accepts the same subscriptions and has lost no line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sandbox.ledger import responses_read
from sandbox.testing import SandboxProcess
from tests.sandbox.sender import Sender


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[SandboxProcess]:
    with SandboxProcess(keep=tmp_path) as process:
        yield process


def test_subscriptions_and_responses_survive_a_kill(keeping: SandboxProcess, tmp_path: Path) -> None:
    sender = Sender(keeping.url)
    (subscription,) = keeping.mint_web(application_server_key=sender.key)
    assert sender.send(subscription).status_code == 201
    keeping.kill()
    keeping.start()
    assert sender.send(subscription).status_code == 201
    capability = subscription["endpoint"].rpartition("/")[2]
    assert responses_read(tmp_path) == {(capability, "201"): 2}


def test_a_refusal_and_a_lost_response_are_distinguished(keeping: SandboxProcess, tmp_path: Path) -> None:
    sender = Sender(keeping.url)
    gone, lost = keeping.mint_web(2, application_server_key=sender.key)
    keeping.behave_all([gone["endpoint"]], "gone")
    keeping.behave_all([lost["endpoint"]], "lost")
    sender.send(gone)
    with pytest.raises(requests.ConnectionError):
        sender.send(lost)
    assert sorted(word for _, word in responses_read(tmp_path)) == ["410", "lost"]
