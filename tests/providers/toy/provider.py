"""Toy Push: a POST with the device's number in the address and the app's key in a header."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override

from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.addresses import AddressType, AllowedHosts, VendorAddress
from providers.apps import AppRecord, AppSettings, AppType
from providers.base import Provider
from providers.errors import Codes, PayloadTooLarge, Rule, retry_after_seconds, transport_result
from providers.fields import Field, Text
from providers.keys import KeyPair
from providers.types import Credentials, Endpoint, Message, Outcome, Push, SendResult
from pushhub.kernel.errors import ApiError, ErrorCode

_ACCEPTED = Rule(Outcome.ACCEPTED, "it accepted the message")
_REJECTED = Rule(Outcome.REJECTED, "it does not accept this message")
_RETRY = Rule(Outcome.RETRY, "it asks for another attempt")


@dataclass(slots=True, kw_only=True)
class ToyEndpoint(Endpoint):
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyCredentials(Credentials):
    url: str
    key: str = field(repr=False)


class ToyApp(AppType):
    fields: ClassVar[tuple[Field, ...]] = (
        Text(name="toy_url", max_length=200, help="Where Toy Push listens."),
        Text(name="toy_key", max_length=100),
    )
    changeable: ClassVar[frozenset[str]] = frozenset({"toy_url", "toy_key"})

    @override
    def create(self, body: Mapping[str, Any], *, operator: bool) -> AppSettings:
        for name in self.changeable - body.keys():
            raise ApiError(ErrorCode.INVALID, detail="A toy app needs both.", pointer=f"/{name}")
        return AppSettings(secrets={name: body[name] for name in self.changeable}, replaces_credentials=True)

    @override
    def credentials(
        self, app: AppRecord, *, secrets: Callable[[], Mapping[str, str]], key: KeyPair | None
    ) -> ToyCredentials:
        opened = secrets()
        return ToyCredentials(url=opened["toy_url"], key=opened["toy_key"])


class ToyAddress(AddressType):
    fields: ClassVar[tuple[Field, ...]] = (Text(name="toy_number", max_length=20),)

    @override
    def read(self, body: Mapping[str, Any], *, platform: str, allowed: AllowedHosts) -> VendorAddress:
        number = body.get("toy_number", "")
        if not number.isdecimal():
            raise ApiError(ErrorCode.INVALID, detail="A toy brings its number.", pointer="/toy_number")
        return VendorAddress(lookup=number, fields={"toy_number": number})

    @override
    def body(self, fields: Mapping[str, str], *, key: str) -> dict[str, Any]:
        return dict(fields)

    @override
    def endpoint(self, packed: bytes, vendor_id: str, platform: str) -> ToyEndpoint:
        return ToyEndpoint(number=self.unpack(packed)["toy_number"])


class ToyProvider(Provider):
    name = "toy"
    title: ClassVar[str] = "Toy Push"
    vendor: ClassVar[str] = "Toy Push"
    codes: ClassVar[Codes] = {"http 4xx": (_REJECTED, _RETRY)} | {f"http {n}xx": (_RETRY,) for n in (1, 3, 5)}
    platforms: ClassVar[Mapping[str, tuple[str, ...]]] = {"teddy": ("",)}
    payload_limit: ClassVar[int] = 2048
    app: ClassVar[AppType] = ToyApp()
    address: ClassVar[AddressType] = ToyAddress()

    @override
    def sample(self, platform: str) -> tuple[ToyEndpoint, ToyCredentials]:
        return ToyEndpoint(number="0"), ToyCredentials(url="", key="")

    @override
    def payload(self, push: Push) -> bytes:
        payload = _payload(push)
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
        rule = _REJECTED if 400 <= answer.status < 500 and answer.status != 429 else _RETRY
        wait = retry_after_seconds(answer.headers.get("retry-after")) if rule is _RETRY else None
        return SendResult(outcome=rule.outcome, error_code=f"http {answer.status}", retry_after=wait)

    @override
    def payload_size(self, message: Message, platform: str) -> int:
        endpoint, credentials = self.sample(platform)
        return len(_payload(Push.longest(message, endpoint=endpoint, credentials=credentials)))


def _payload(push: Push) -> bytes:
    message = push.message
    ids = {"mapping": push.mapping_id, "delivery": push.delivery_id, "receipt": push.receipt}
    return json.dumps({"title": message.title, "body": message.body, "silent": message.silent, "pushhub": ids}).encode()
