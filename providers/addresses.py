"""How a registration says where a device is reached: read, stored and opened again by its provider. No DNS, no I/O."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from outgoing.network import NetworkPolicy
from providers.fields import Field
from providers.types import Endpoint


class AllowedHosts(NamedTuple):
    """Which hosts the push URL of a registration may have: `policy` is the operator's, `hosts` are the tenant's own."""

    policy: NetworkPolicy
    hosts: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class VendorAddress:
    """A valid, normalised token or subscription. Made for each line of an import and not frozen, which costs twice.

    Two devices with the same `lookup` are one endpoint. `fields` is what is stored, sealed. `push_origin` is
    scheme://host[:port], where each device's address names a host. `key` is the public key of the app that the client
    says it subscribed with; "" = it does not say.
    """

    lookup: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    push_origin: str = ""
    key: str = ""


class AddressType(ABC):
    """`fields` are those of a registration's body, the required one first."""

    fields: ClassVar[tuple[Field, ...]] = ()

    @cached_property
    def names(self) -> frozenset[str]:
        """Of `fields`."""
        return frozenset(field.name for field in self.fields)

    @abstractmethod
    def read(self, body: Mapping[str, Any], *, platform: str, allowed: AllowedHosts) -> VendorAddress:
        """`body` holds the values of all providers' address fields; `platform` is the app's, in the vendor's word.

        Raises ApiError INVALID, SUBSCRIPTION_INVALID, ENDPOINT_REFUSED, each with the field's pointer.
        """

    @abstractmethod
    def body(self, fields: Mapping[str, str], *, key: str) -> dict[str, Any]:
        """The body that `read` makes `fields` of, for exports. `key` is the public key of the device's app, or ""."""

    @abstractmethod
    def endpoint(self, packed: bytes, vendor_id: str, platform: str) -> Endpoint:
        """What to send to, called for every delivery. `packed` is what `pack` answered; for a provider that requires
        provisioning it is empty, and `vendor_id` is the vendor's name of the endpoint."""

    def pack(self, fields: Mapping[str, str]) -> bytes:
        """The bytes that are sealed. Raises ValueError."""
        return json.dumps(fields, separators=(",", ":")).encode()

    def unpack(self, packed: bytes) -> dict[str, str]:
        """What `pack` was given."""
        fields: dict[str, str] = json.loads(packed)
        return fields
