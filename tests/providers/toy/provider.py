"""Toy Push: a POST to the toy's number, with the app's key in a header."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.addresses import AddressType
from providers.apps import AppType
from providers.base import Provider
from providers.errors import Codes, PayloadTooLarge, retry_after_seconds, transport_result
from providers.types import Message, Outcome, Push, SendResult

from .address import ToyAddress
from .app import ToyApp
from .errors import CODES, classify
from .payload import payload_build
from .types import ToyCredentials, ToyEndpoint


class ToyProvider(Provider):
    name = "toy"
    title: ClassVar[str] = "Toy Push"
    vendor: ClassVar[str] = "Toy Push"
    codes: ClassVar[Codes] = CODES
    platforms: ClassVar[Mapping[str, tuple[str, ...]]] = {"teddy": ("",)}
    payload_limit: ClassVar[int] = 2048
    app: ClassVar[AppType] = ToyApp()
    address: ClassVar[AddressType] = ToyAddress()

    @override
    def sample(self, platform: str) -> tuple[ToyEndpoint, ToyCredentials]:
        return ToyEndpoint(number="0"), ToyCredentials(url="", key="")

    @override
    def payload(self, push: Push) -> bytes:
        payload = payload_build(push)
        if len(payload) > self.payload_limit:
            raise PayloadTooLarge(len(payload), self.payload_limit)
        return payload

    @override
    def request(self, push: Push) -> HttpRequest:
        endpoint, credentials = push.endpoint, push.credentials
        if not isinstance(endpoint, ToyEndpoint) or not isinstance(credentials, ToyCredentials):
            raise TypeError("a toy push needs a toy's number and key")
        return HttpRequest(f"{credentials.url}/{endpoint.number}", {"Toy-Key": credentials.key}, self.payload(push))

    @override
    def result(self, push: Push, answer: HttpResponse | TransportFailure) -> SendResult:
        if isinstance(answer, TransportFailure):
            return transport_result(answer)
        if 200 <= answer.status < 300:
            return SendResult(outcome=Outcome.ACCEPTED)
        rule = classify(answer.status)
        wait = retry_after_seconds(answer.headers.get("retry-after")) if rule.outcome is Outcome.RETRY else None
        return SendResult(outcome=rule.outcome, error_code=f"http {answer.status}", retry_after=wait)

    @override
    def payload_size(self, message: Message, platform: str) -> int:
        endpoint, credentials = self.sample(platform)
        return len(payload_build(Push.longest(message, endpoint=endpoint, credentials=credentials)))
