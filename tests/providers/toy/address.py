"""A toy's number."""

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from providers.addresses import AddressType, AllowedHosts, VendorAddress
from providers.fields import Field, Text
from pushhub.kernel.errors import ApiError, ErrorCode

from .types import ToyEndpoint


class ToyAddress(AddressType):
    fields: ClassVar[tuple[Field, ...]] = (Text(name="toy_number", max_length=20),)

    @override
    def read(self, body: Mapping[str, Any], *, platform: str, allowed: AllowedHosts) -> VendorAddress:
        number = body.get("toy_number", "")
        if not number.isdecimal():
            raise ApiError(ErrorCode.INVALID, detail="A toy brings its `toy_number`.", pointer="/toy_number")
        return VendorAddress(lookup=number, fields={"toy_number": number})

    @override
    def body(self, fields: Mapping[str, str], *, key: str) -> dict[str, Any]:
        return dict(fields)

    @override
    def endpoint(self, packed: bytes, vendor_id: str, platform: str) -> ToyEndpoint:
        return ToyEndpoint(number=self.unpack(packed)["toy_number"])
