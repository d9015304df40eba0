"""Faults on request: the effect of each behaviour, vendor style and outage on a correct push."""

import time

import pytest
import requests

from sandbox.testing import SandboxProcess, SandboxRefused
from tests.sandbox.sender import Sender


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ("gone", 410),
        ("not_found", 404),
        ("too_large", 413),
        ("throttle", 429),
        ("unavailable", 503),
        ("server_error", 500),
        ("forbidden", 403),
    ],
)
def test_each_behaviour_returns_its_status(
    sandbox: SandboxProcess, sender: Sender, behaviour: str, status: int
) -> None:
    (subscription,) = sandbox.mint_web(behaviour=behaviour)
    assert sender.send(subscription).status_code == status
    assert not sandbox.messages()


def test_throttle_has_a_retry_after(sandbox: SandboxProcess, sender: Sender) -> None:
    (subscription,) = sandbox.mint_web(behaviour="throttle:7")
    assert sender.send(subscription).headers["Retry-After"] == "7"


def test_after_a_sequence_pushes_are_accepted(sandbox: SandboxProcess, sender: Sender) -> None:
    (subscription,) = sandbox.mint_web(behaviour="sequence:429,503")
    assert [sender.send(subscription).status_code for _ in range(4)] == [429, 503, 201, 201]


def test_a_behaviour_can_be_changed_later(sandbox: SandboxProcess, sender: Sender) -> None:
    (subscription,) = sandbox.mint_web(behaviour="gone")
    sandbox.behave(subscription["endpoint"], "ok")
    assert sender.send(subscription).status_code == 201


def test_slow_accepts_late(sandbox: SandboxProcess, sender: Sender) -> None:
    (subscription,) = sandbox.mint_web(behaviour="slow:0.5")
    started = time.monotonic()
    assert sender.send(subscription).status_code == 201
    assert time.monotonic() - started >= 0.5


def test_hang_never_answers(sandbox: SandboxProcess, sender: Sender) -> None:
    (subscription,) = sandbox.mint_web(behaviour="hang")
    with pytest.raises(requests.ReadTimeout):
        requests.post(subscription["endpoint"], timeout=0.5)


@pytest.mark.parametrize(("behaviour", "caught"), [("reset", 0), ("lost", 1)])
def test_the_connection_is_reset(sandbox: SandboxProcess, sender: Sender, behaviour: str, caught: int) -> None:
    (subscription,) = sandbox.mint_web(behaviour=behaviour)
    with pytest.raises(requests.ConnectionError):
        sender.send(subscription)
    assert len(sandbox.messages()) == caught


@pytest.mark.parametrize(
    ("style", "status", "word"),
    [
        ("fcm", 403, "do not correspond to the credentials used to create the subscriptions"),
        ("mozilla", 401, '"errno": 109'),
        ("apple", 400, "VapidPkHashMismatch"),
        ("wns", 401, "Unauthorized"),
    ],
)
def test_each_vendor_has_its_own_words_for_a_key_mismatch(
    sandbox: SandboxProcess, sender: Sender, style: str, status: int, word: str
) -> None:
    (subscription,) = sandbox.mint_web(application_server_key=Sender(sandbox.url).key, style=style)
    response = sender.send(subscription)
    assert response.status_code == status
    assert word in response.text


@pytest.mark.parametrize(("style", "status"), [("fcm", 429), ("mozilla", 503), ("apple", 429), ("wns", 406)])
def test_each_vendor_has_its_own_throttling_response(
    sandbox: SandboxProcess, sender: Sender, style: str, status: int
) -> None:
    (subscription,) = sandbox.mint_web(behaviour="throttle", style=style)
    response = sender.send(subscription)
    assert (response.status_code, response.headers["Retry-After"]) == (status, "1")


def test_an_outage_ends(sandbox: SandboxProcess, sender: Sender) -> None:
    (subscription,) = sandbox.mint_web()
    sandbox.outage(0.3)
    assert sender.send(subscription).status_code == 503
    time.sleep(0.3)
    assert sender.send(subscription).status_code == 201


def test_an_outage_of_sns_does_not_affect_push(sandbox: SandboxProcess, sender: Sender) -> None:
    (subscription,) = sandbox.mint_web()
    sandbox.outage(30, status="reset", scope="sns")
    assert sender.send(subscription).status_code == 201
    with pytest.raises(requests.ConnectionError):
        requests.post(sandbox.sns_url, timeout=5)


@pytest.mark.parametrize("status", [403, 410])
def test_an_outage_that_refuses_every_request(sandbox: SandboxProcess, sender: Sender, status: int) -> None:
    (subscription,) = sandbox.mint_web()
    sandbox.outage(30, status=status, scope="push")
    assert sender.send(subscription).status_code == status


def test_only_a_push_service_can_refuse_every_request(sandbox: SandboxProcess) -> None:
    with pytest.raises(SandboxRefused, match="for push"):
        sandbox.outage(30, status=410, scope="sns")


def test_an_unknown_behaviour_is_refused(sandbox: SandboxProcess) -> None:
    with pytest.raises(SandboxRefused, match="dance"):
        sandbox.mint_web(behaviour="dance")
