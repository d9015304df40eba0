"""What a vendor reports later, of its own accord: read and verified by its provider, applied by `devices.callbacks`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from outgoing.network import NetworkPolicy
from providers.types import Outcome


class ReportKind(StrEnum):
    PUSH_FAILED = "push_failed"  # accepted by the vendor, and not delivered
    ENDPOINT_DELETED = "endpoint_deleted"  # the endpoint no longer exists at the vendor


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReport:
    """`message_id` is the vendor's id of the push, `reason` the vendor's code; both of a push that failed."""

    kind: ReportKind
    endpoint_arn: str = field(default="", repr=False)
    message_id: str = ""
    reason: str = ""
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A verified message of the vendor. A repeated message has the same `id`.

    `confirm_url`: the vendor asks whether this address wants its messages; requesting the URL says yes. `report` is
    None for a message without a meaning for pushhub.
    """

    id: str
    at: datetime
    confirm_url: str = field(default="", repr=False)
    report: EndpointReport | None = None


class CallbackReader(ABC):
    """`max_bytes`: the vendor sends no larger message."""

    max_bytes: ClassVar[int]

    @abstractmethod
    def read(self, raw: bytes, *, topic: str, policy: NetworkPolicy) -> Callback:
        """The message, if the vendor sent it for `topic`, which the app names; "" = the app names none.

        Raises ApiError SIGNATURE_INVALID, and UNAVAILABLE when it cannot be verified now: the vendor repeats it.
        """

    @abstractmethod
    def confirm(self, url: str, *, policy: NetworkPolicy) -> bool:
        """Request the `confirm_url` of a callback. Whether the vendor confirmed."""
