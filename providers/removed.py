"""What stands for a provider that is no longer registered: its apps are misconfigured, and their deliveries wait."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from typing_extensions import override

from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.addresses import AddressType, AllowedHosts, VendorAddress
from providers.apps import AppRecord, AppSettings, AppType
from providers.base import Provider
from providers.errors import AppUnavailable, Codes, Rule, transport_result
from providers.fields import TOKEN, Field
from providers.keys import KeyPair
from providers.types import Credentials, Endpoint, Message, Outcome, Push, SendResult
from pushhub.kernel.errors import ApiError, ErrorCode

_WHY = "the app's provider is not installed on this server"


class _App(AppType):
    @override
    def create(self, body: Mapping[str, Any], *, operator: bool) -> AppSettings:
        raise ApiError(ErrorCode.APP_UNAVAILABLE, detail="The app's provider is not installed here.")

    @override
    def credentials(self, app: AppRecord, *, secrets: Callable[[], Mapping[str, str]], key: KeyPair | None) -> NoReturn:
        raise AppUnavailable(_WHY)


class _Address(AddressType):
    fields: ClassVar[tuple[Field, ...]] = (TOKEN,)

    @override
    def read(self, body: Mapping[str, Any], *, platform: str, allowed: AllowedHosts) -> VendorAddress:
        raise ApiError(ErrorCode.APP_UNAVAILABLE, detail="The app's provider is not installed here.")

    @override
    def body(self, fields: Mapping[str, str], *, key: str) -> dict[str, Any]:
        return {}

    @override
    def endpoint(self, packed: bytes, vendor_id: str, platform: str) -> Endpoint:
        return Endpoint()


class RemovedProvider(Provider):
    title: ClassVar[str] = "not installed"
    vendor: ClassVar[str] = "the removed provider"
    codes: ClassVar[Codes] = {"provider_removed": (Rule(Outcome.MISCONFIGURED, _WHY),)}
    platforms: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    payload_limit: ClassVar[int] = 0
    app: ClassVar[AppType] = _App()
    address: ClassVar[AddressType] = _Address()
    is_public: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    @override
    def sample(self, platform: str) -> tuple[Endpoint, Credentials]:
        return Endpoint(), Credentials()

    @override
    def payload(self, push: Push) -> bytes:
        return b"{}"

    @override
    def request(self, push: Push) -> HttpRequest:
        raise AppUnavailable(_WHY)

    @override
    def result(self, push: Push, reply: HttpResponse | TransportFailure) -> SendResult:
        if isinstance(reply, TransportFailure):
            return transport_result(reply)
        return SendResult(outcome=Outcome.MISCONFIGURED, error_code="provider_removed")

    @override
    def payload_size(self, message: Message, platform: str) -> int:
        return 0
