"""The contract of a provider. `tests/providers/contract.py` is its executable half.

Code outside this package does not ask which provider an app has. It asks the provider what it can do.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.addresses import AddressType
from providers.apps import AppType
from providers.callbacks import CallbackReader
from providers.errors import Codes
from providers.keys import KeyScheme
from providers.provisioning import Provisioner
from providers.types import Credentials, Endpoint, Message, Push, SendResult


class MisconfiguredScope(StrEnum):
    """What is misconfigured when the vendor's result is MISCONFIGURED."""

    APP = "app"  # the whole app: the vendor would refuse all its deliveries
    ORIGIN = "origin"  # one subscription; if the push service refuses many subscriptions, the app at that push origin


@dataclass(frozen=True, slots=True)
class VendorLimit:
    """Deliveries per second that the vendor accepts from all apps whose rate limit has the same `name`."""

    name: str
    per_second: float


@dataclass(frozen=True, slots=True)
class Reference:
    """A widely used library that can write the requests instead, more slowly: `word` chooses it in `setting`."""

    word: str
    setting: str


class Provider(ABC):
    """One vendor. Instances are shared by the threads of a process and keep no state but caches.

    Importing a provider's module must be cheap: every process reads its attributes. Libraries that only sending or the
    control plane needs are imported when they are first used.
    """

    name: str  # stored in `App.provider`, and a label of metrics: at most 10 characters
    title: ClassVar[str]  # in lists and forms: "Web Push"
    vendor: ClassVar[str]  # in sentences: "Amazon SNS", "the push service"
    codes: ClassVar[Codes]  # every `error_code` of its own tables, and what it may mean
    # Which device platforms its apps reach → the vendor's platforms an app may be for. ("",): the vendor has only one.
    platforms: ClassVar[Mapping[str, tuple[str, ...]]]
    payload_limit: ClassVar[int]  # bytes of `payload`

    app: ClassVar[AppType]
    address: ClassVar[AddressType]

    is_public: ClassVar[bool] = True  # tenants may create apps of it
    default_app: ClassVar[str] = ""  # the name of the app that every new tenant gets; "" = none
    misconfigured_scope: ClassVar[MisconfiguredScope] = MisconfiguredScope.APP
    requires_provisioning: ClassVar[bool] = False  # `provisioner` creates the endpoint before the first push
    keys: ClassVar[KeyScheme | None] = None
    callbacks: ClassVar[CallbackReader | None] = None  # the vendor reports later what it could not deliver
    reference: ClassVar[Reference | None] = None

    @property
    def has_alternate_keys(self) -> bool:
        """An app has several keys, and an endpoint works only with the one it was made with."""
        return self.keys is not None

    @property
    def provisioner(self) -> Provisioner:
        """Of a provider that requires provisioning."""
        raise NotImplementedError(f"{self.name} requires no provisioning")

    def rate_limit(self, *, account_id: str, region: str) -> VendorLimit | None:
        """How many deliveries per second the vendor accepts from the app's account; None = no limit is known."""
        return None

    @abstractmethod
    def sample(self, platform: str) -> tuple[Endpoint, Credentials]:
        """An address that no device has, to render a payload with."""

    @abstractmethod
    def payload(self, push: Push) -> bytes:
        """The bytes the device will see, before encryption or wrapping. Pure and deterministic.

        Raises PayloadTooLarge.
        """

    def prepare(self, pushes: Sequence[Push]) -> int:
        """Do together what is cheaper for many pushes than for each, and store it in their `prepared`.

        Answers how many have it. CPU only, and optional: `request` works without it, and reports what is wrong with a
        push.
        """
        return 0

    @abstractmethod
    def request(self, push: Push) -> HttpRequest:
        """Encrypt and sign: CPU only, except that expired AWS credentials are refreshed over the network.

        Raises Unsendable, whose `result` settles the delivery; PayloadTooLarge is one of its kinds.
        """

    @abstractmethod
    def result(self, push: Push, reply: HttpResponse | TransportFailure) -> SendResult:
        """What a response means. Total and table-driven: any status, any body, never an exception."""

    @abstractmethod
    def payload_size(self, message: Message, platform: str) -> int:
        """Bytes `message` takes on `platform` with ids of the greatest length, to compare with `payload_limit`."""

    def reserved_data(self, message: Message, platform: str) -> list[str]:
        """JSON Pointers of members of `message` whose names `platform` reserves: it would refuse the whole message."""
        return []
