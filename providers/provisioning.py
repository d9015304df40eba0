"""Endpoints that exist at the vendor: created before the first push, deleted after the last."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.apps import AppRecord
from providers.types import Credentials


@dataclass(frozen=True, slots=True)
class ProvisionedEndpoint:
    """`ready`: enabled and with the address asked for. If not, the vendor has only named the endpoint, for an address
    that had none we knew: it may have been another device's until now, so nothing is read of it or written to it yet.
    """

    endpoint_arn: str = field(repr=False)
    ready: bool


class Provisioner(ABC):
    """Every method may call the vendor and block for seconds: never inside a transaction.

    Raises VendorRetry, VendorMisconfigured, and AddressRejected for an address that the vendor will not take.
    """

    @abstractmethod
    def ensure(
        self, *, credentials: Credentials, app: AppRecord, address: Mapping[str, str], known: str
    ) -> ProvisionedEndpoint:
        """One step towards an enabled endpoint at `address`; while it is not `ready`, ask again with the name answered.

        `known` is the vendor's name of the device's endpoint; "" = none yet. `address` is `VendorAddress.fields`.
        """

    @abstractmethod
    def call_rate(self, region: str) -> int:
        """Calls per second that the vendor takes of one account in this region, unless it has granted more."""

    @abstractmethod
    def delete(self, *, credentials: Credentials, endpoint_arn: str) -> None:
        """Idempotent."""
