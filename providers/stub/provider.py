"""A vendor for tests and load: its devices do what their token says, through the same client as any other vendor's."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.addresses import AddressType
from providers.apps import AppType
from providers.base import Provider
from providers.errors import Codes, PayloadTooLarge, retry_after_seconds, transport_result
from providers.stub.address import StubAddress
from providers.stub.app import StubApp
from providers.stub.errors import CODES, classify
from providers.stub.payload import payload_build
from providers.stub.types import StubCredentials, StubEndpoint
from providers.types import Message, Outcome, Push, SendResult


class StubProvider(Provider):
    name = "stub"
    title: ClassVar[str] = "Stub"
    vendor: ClassVar[str] = "the stub"
    codes: ClassVar[Codes] = CODES
    platforms: ClassVar[Mapping[str, tuple[str, ...]]] = {"stub": ("",)}
    payload_limit: ClassVar[int] = 4096
    app: ClassVar[AppType] = StubApp()
    address: ClassVar[AddressType] = StubAddress()
    is_public: ClassVar[bool] = False  # for tests and load only

    @override
    def sample(self, platform: str) -> tuple[StubEndpoint, StubCredentials]:
        return StubEndpoint(token=""), StubCredentials(url="")

    @override
    def payload(self, push: Push) -> bytes:
        payload = payload_build(push)
        if len(payload) > self.payload_limit:
            raise PayloadTooLarge(len(payload), self.payload_limit)
        return payload

    @override
    def request(self, push: Push) -> HttpRequest:
        if not isinstance(push.endpoint, StubEndpoint) or not isinstance(push.credentials, StubCredentials):
            raise TypeError("a stub push needs a scripted token and the stub's address")
        token = push.endpoint.token.encode("unicode_escape").decode("ascii")
        headers = {"Content-Type": "application/json", "TTL": str(push.ttl), "Stub-Token": token}
        return HttpRequest(f"{push.credentials.url}/", headers, self.payload(push))

    @override
    def result(self, push: Push, reply: HttpResponse | TransportFailure) -> SendResult:
        if isinstance(reply, TransportFailure):
            return transport_result(reply)
        rule = classify(reply.status)
        if rule.outcome is Outcome.ACCEPTED:
            return SendResult(outcome=rule.outcome, provider_message_id=reply.headers.get("stub-message-id", ""))
        wait = retry_after_seconds(reply.headers.get("retry-after")) if rule.outcome is Outcome.RETRY else None
        return SendResult(outcome=rule.outcome, error_code=f"http {reply.status}", retry_after=wait)

    @override
    def payload_size(self, message: Message, platform: str) -> int:
        endpoint, credentials = self.sample(platform)
        return len(payload_build(Push.longest(message, endpoint=endpoint, credentials=credentials)))
