"""A stub device's token: the script that it follows."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from providers.addresses import AddressType, AllowedHosts, VendorAddress
from providers.fields import TOKEN, Field
from providers.stub.types import StubEndpoint
from providers.tokens import token_check, token_required


class StubAddress(AddressType):
    fields: ClassVar[tuple[Field, ...]] = (TOKEN,)

    @override
    def read(self, body: Mapping[str, Any], *, platform: str, allowed: AllowedHosts) -> VendorAddress:
        token = token_check(token_required(body))
        return VendorAddress(lookup=token, fields={"token": token})

    @override
    def body(self, fields: Mapping[str, str], *, key: str) -> dict[str, Any]:
        return {"token": fields["token"]}

    @override
    def endpoint(self, packed: bytes, vendor_id: str, platform: str) -> StubEndpoint:
        return StubEndpoint(token=json.loads(packed)["token"])
