"""Credentials of an AWS that does not respond: senders of other apps do not wait for them."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from providers.errors import VendorMisconfigured, VendorRetry
from providers.sns import background
from providers.sns.access import Access
from providers.sns.types import SnsCredentials
from tests.providers.sns.conftest import CREDENTIALS
from tests.providers.sns.fake import Answer, FakeSns, error, ok

ROLE = replace(CREDENTIALS, role_arn="arn:aws:iam::123456789012:role/acme", external_id="tenant-1")
Hang = Callable[[], None]


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch, sns: FakeSns) -> Iterator[Hang]:
    """From the call on, STS takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        yield lambda: monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    for thread in threading.enumerate():
        if thread.name == "aws":
            thread.join(10)  # refused now; it must not call the next test's STS


def assumed(*, minutes: float, key: str = "ASIAROLE") -> Answer:
    ends = datetime.now(UTC) + timedelta(minutes=minutes)
    return ok(
        "AssumeRole",
        f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>t</SessionToken>"
        f"<Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>",
    )


def seconds_of(call: Callable[[], object]) -> float:
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def refused(source: SnsCredentials) -> str:
    """Why there are no credentials now."""
    with pytest.raises(VendorRetry) as caught:
        Access(source).frozen_credentials()
    return caught.value.code


@pytest.mark.parametrize("minutes", [12, 5])
def test_what_is_held_serves_while_sts_hangs(sns: FakeSns, hang: Hang, minutes: float) -> None:
    sns.script = [assumed(minutes=minutes)]
    access = Access(ROLE)
    access.frozen_credentials()
    access._fetching = background.BackgroundCall(
        access._fetch
    )  # the first answer counts no more: the next push may ask again
    hang()
    assert seconds_of(lambda: [access.frozen_credentials() for _ in range(100)]) < 0.5
    assert access.frozen_credentials().access_key == "ASIAROLE"


def test_near_their_end_new_ones_are_fetched_once(sns: FakeSns) -> None:
    sns.script = [assumed(minutes=12), assumed(minutes=60, key="ASIANEW")]
    access = Access(ROLE)
    access.frozen_credentials()
    access._fetching = background.BackgroundCall(access._fetch)
    for _ in range(50):
        access.frozen_credentials()
    access._fetching.start().result(5)
    assert (access.frozen_credentials().access_key, len(sns.calls)) == ("ASIANEW", 2)


def test_credentials_about_to_end_are_not_used(sns: FakeSns) -> None:
    sns.script = [assumed(minutes=0.5), assumed(minutes=60, key="ASIANEW")]
    access = Access(ROLE)
    access.frozen_credentials()
    access._fetching = background.BackgroundCall(access._fetch)
    assert access.frozen_credentials().access_key == "ASIANEW"


def test_one_waits_for_an_sts_that_hangs_and_the_others_do_not(hang: Hang, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "WAIT_SECONDS", 1.0)
    hang()
    assert seconds_of(lambda: refused(ROLE)) >= background.WAIT_SECONDS
    others = [replace(ROLE, cache_key=(str(number), 1)) for number in range(10)]
    assert seconds_of(lambda: [refused(other) for other in others]) < background.WAIT_SECONDS
    assert refused(ROLE) == "CredentialsPending"


def test_once_sts_is_quick_again_its_answer_is_waited_for(sns: FakeSns) -> None:
    background.is_slow.set()
    sns.script = [assumed(minutes=60)] * 2
    access = Access(ROLE)
    with pytest.raises(VendorRetry):
        access.frozen_credentials()
    access._fetching.start().result(5)
    assert Access(ROLE).frozen_credentials().access_key == "ASIAROLE"


def test_keys_wait_for_nobody(hang: Hang) -> None:
    background.is_slow.set()
    hang()
    assert Access(CREDENTIALS).frozen_credentials().access_key == CREDENTIALS.access_key


def test_a_refusal_is_asked_about_again_after_a_while(sns: FakeSns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "KEPT_SECONDS", 0.0)
    sns.script = [error("AccessDenied", status=403), assumed(minutes=60)]
    access = Access(ROLE)
    with pytest.raises(VendorMisconfigured):
        access.frozen_credentials()
    assert access.frozen_credentials().access_key == "ASIAROLE"
