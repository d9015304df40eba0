"""A phone's token, and the platform endpoint that SNS made of it."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from providers.addresses import AddressType, AllowedHosts, VendorAddress
from providers.fields import TOKEN, Field
from providers.sns.payload import APPLE
from providers.sns.types import SnsEndpoint
from providers.tokens import token_check, token_invalid, token_required

_APNS_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")


class SnsAddress(AddressType):
    fields: ClassVar[tuple[Field, ...]] = (TOKEN,)

    @override
    def read(self, body: Mapping[str, Any], *, platform: str, allowed: AllowedHosts) -> VendorAddress:
        """An APNs token is hexadecimal, in either case; SNS answers lower case (SNS API, GetEndpointAttributes)."""
        token = token_required(body)
        if platform not in APPLE:
            token_check(token)
        elif _APNS_TOKEN.fullmatch(token):
            token = token.lower()
        else:
            raise token_invalid("An APNs token is 64 to 200 hexadecimal digits.")
        return VendorAddress(lookup=token, fields={"token": token})

    @override
    def body(self, fields: Mapping[str, str], *, key: str) -> dict[str, Any]:
        return {"token": fields["token"]}

    @override
    def endpoint(self, packed: bytes, vendor_id: str, platform: str) -> SnsEndpoint:
        return SnsEndpoint(endpoint_arn=vendor_id, platform=platform)
