"""The stub keeps the contract, and its devices do what their token says, over real HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from outgoing.http import Client
from providers.stub.provider import StubProvider
from providers.stub.server import StubServer, stub_server
from providers.stub.types import StubCredentials, StubEndpoint
from providers.types import Outcome, Push, SendResult
from tests.outgoing.conftest import LOOPBACK
from tests.providers.contract import MESSAGE, ProviderContract


@pytest.fixture
def provider() -> StubProvider:
    return StubProvider()


@pytest.fixture
def push() -> Push:
    return Push(
        message=MESSAGE,
        mapping_id="mapping-1",
        delivery_id="delivery-1",
        ttl=60,
        endpoint=StubEndpoint(token="stub:ok:s3cret"),
        credentials=StubCredentials(url="http://127.0.0.1:1"),
    )


@pytest.fixture
def server() -> Iterator[StubServer]:
    with stub_server() as stub:
        yield stub


class TestContract(ProviderContract):
    secrets = ("s3cret", "for alice")
    registration: ClassVar[dict[str, Any]] = {"token": "stub:ok"}


def send(provider: StubProvider, push: Push, server: StubServer, token: str) -> SendResult:
    push = replace(push, endpoint=StubEndpoint(token=token), credentials=StubCredentials(url=server.url))
    client = Client(LOOPBACK)
    client.submit(provider.request(push), push)
    [(tag, answer)] = client.poll(5.0)
    client.close()
    assert tag is push
    return provider.result(push, answer)


@pytest.mark.parametrize(
    ("token", "outcome"),
    [
        ("stub:ok", Outcome.ACCEPTED),
        ("stub:ok:17", Outcome.ACCEPTED),
        ("stub:slow", Outcome.ACCEPTED),
        ("stub:gone", Outcome.ENDPOINT_GONE),
        ("stub:retry", Outcome.RETRY),
        ("stub:reject", Outcome.REJECTED),
        ("stub:misconfigured", Outcome.MISCONFIGURED),
        ("nonsense", Outcome.REJECTED),
    ],
)
def test_devices_do_what_their_token_says(
    provider: StubProvider, push: Push, server: StubServer, token: str, outcome: Outcome
) -> None:
    assert send(provider, push, server, token).outcome is outcome
    assert [(seen, payload["title"]) for seen, payload in server.received] == [(token, "Café")]


def test_an_accepted_push_has_a_message_id(provider: StubProvider, push: Push, server: StubServer) -> None:
    assert send(provider, push, server, "stub:ok").provider_message_id


def test_a_retry_says_when(provider: StubProvider, push: Push, server: StubServer) -> None:
    assert send(provider, push, server, "stub:retry").retry_after == 1.0
