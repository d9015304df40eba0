"""The contract of a provider. `tests/providers/contract.py` is its executable half."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.errors import Codes
from providers.types import Message, Push, SendResult


class Provider(ABC):
    """One vendor. Instances are shared by threads of a process and keep no state but caches."""

    name: ClassVar[str]
    vendor: ClassVar[str]  # as sentences name it: "Amazon SNS", "the push service"
    codes: ClassVar[Codes]  # every `error_code` of its own tables, and what it may mean
    max_payload: ClassVar[int]  # bytes of `payload`

    @abstractmethod
    def payload(self, push: Push) -> bytes:
        """The bytes the device will see, before encryption or wrapping. Pure and deterministic.

        Raises PayloadTooLarge.
        """

    def prepare(self, pushes: Sequence[Push]) -> int:
        """Do at once what is cheaper for many than for each, and leave it in their `prepared`: how many have it.

        CPU only, and never needed: `request` does without, and tells what is wrong with a push.
        """
        return 0

    @abstractmethod
    def request(self, push: Push) -> HttpRequest:
        """Encrypt and sign: CPU only, except that expired AWS credentials are refreshed over the network.

        Raises Unsendable, whose `result` settles the delivery; PayloadTooLarge is one of its kinds.
        """

    @abstractmethod
    def result(self, push: Push, answer: HttpResponse | TransportFailure) -> SendResult:
        """What an answer means. Total and table driven: any status, any body, never an exception."""

    @abstractmethod
    def payload_size(self, message: Message, platform: str) -> int:
        """Bytes `message` will take on `platform` with ids as long as they get, to be held against `max_payload`."""

    def reserved_data(self, message: Message, platform: str) -> list[str]:
        """JSON Pointers of members of `message` that `platform` keeps for itself: it would refuse the whole message."""
        return []
