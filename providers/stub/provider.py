"""A vendor whose devices do what their token says. It goes through the same client, guard and window as the others."""

from typing import ClassVar

from typing_extensions import override

from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.base import Provider
from providers.errors import Codes, PayloadTooLarge, retry_after_seconds, transport_result
from providers.stub.errors import CODES, classify
from providers.stub.payload import payload_build
from providers.types import Message, Outcome, Push, SendResult, StubCredentials, StubEndpoint


class StubProvider(Provider):
    name: ClassVar[str] = "stub"
    vendor: ClassVar[str] = "the stub"
    codes: ClassVar[Codes] = CODES
    max_payload: ClassVar[int] = 4096

    @override
    def payload(self, push: Push) -> bytes:
        payload = payload_build(push)
        if len(payload) > self.max_payload:
            raise PayloadTooLarge(len(payload), self.max_payload)
        return payload

    @override
    def request(self, push: Push) -> HttpRequest:
        if not isinstance(push.endpoint, StubEndpoint) or not isinstance(push.credentials, StubCredentials):
            raise TypeError("a stub push needs a scripted token and the stub's address")
        token = push.endpoint.token.encode("unicode_escape").decode("ascii")
        headers = {"Content-Type": "application/json", "TTL": str(push.ttl), "Stub-Token": token}
        return HttpRequest(f"{push.credentials.url}/", headers, self.payload(push))

    @override
    def result(self, push: Push, answer: HttpResponse | TransportFailure) -> SendResult:
        if isinstance(answer, TransportFailure):
            return transport_result(answer)
        rule = classify(answer.status)
        if rule.outcome is Outcome.ACCEPTED:
            return SendResult(outcome=rule.outcome, provider_message_id=answer.headers.get("stub-message-id", ""))
        wait = retry_after_seconds(answer.headers.get("retry-after")) if rule.outcome is Outcome.RETRY else None
        return SendResult(outcome=rule.outcome, error_code=f"http {answer.status}", retry_after=wait)

    @override
    def payload_size(self, message: Message, platform: str) -> int:
        worst = Push.longest(message, endpoint=StubEndpoint(token=""), credentials=StubCredentials(url=""))
        return len(payload_build(worst))
