"""botocore's own serializer and signer as the selectable path: the same contract, the same words on the wire."""

from typing import Any
from urllib.parse import parse_qsl

import pytest
from botocore.credentials import ReadOnlyCredentials

from providers.sns.provider import SnsProvider
from providers.types import Push
from tests.providers.contract import ProviderContract
from tests.providers.sns.examples import ANDROID, PUSH, REGISTRATION, SECRETS

BOTH = (PUSH, ANDROID)


@pytest.fixture
def provider() -> SnsProvider:
    return SnsProvider(reference=True)


@pytest.fixture(params=BOTH, ids=["APNS", "GCM"])
def push(request: pytest.FixtureRequest) -> Push:
    push: Push = request.param
    return push


class TestContract(ProviderContract):
    secrets = SECRETS
    registration = REGISTRATION


def test_both_write_the_same_call(provider: SnsProvider, push: Push) -> None:
    ours, theirs = SnsProvider().request(push), provider.request(push)
    assert (ours.url, ours.method) == (theirs.url, theirs.method)
    assert sorted(parse_qsl(ours.body.decode())) == sorted(parse_qsl(theirs.body.decode()))
    assert set(ours.headers) <= set(theirs.headers)


def test_the_session_token_of_a_role_is_sent_and_signed(provider: SnsProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    lent: Any = ReadOnlyCredentials("ASIAEXAMPLE", "secret", "session/token+=", None)
    monkeypatch.setattr("providers.sns.access.Access.frozen_credentials", lambda _: lent)
    headers = provider.request(PUSH).headers
    assert headers["X-Amz-Security-Token"] == "session/token+="
    assert "x-amz-security-token" in headers["Authorization"]
