"""The secrets that this app stores sealed: push endpoints and the credentials of apps."""

import json
from collections.abc import Iterable, Mapping

from providers.registry import provider_get
from pushhub.kernel.crypto import keyed_hash, seal, seal_many, unseal
from pushhub.kernel.purposes import Purpose


def endpoint_seal(fields: Mapping[str, str], *, provider: str) -> bytes:
    """`fields` are `VendorAddress.fields` of the provider. Raises ValueError."""
    return endpoints_seal([(provider, fields)])[0]


def endpoints_seal(endpoints: Iterable[tuple[str, Mapping[str, str]]]) -> list[bytes]:
    """As `endpoint_seal`, many at once: (provider, fields) each."""
    packed = [provider_get(provider).address.pack(fields) for provider, fields in endpoints]
    return seal_many(packed, purpose=Purpose.ENDPOINT)


def endpoint_unseal(sealed: bytes, *, provider: str) -> dict[str, str]:
    """What `endpoint_seal` was given. Raises SealBroken."""
    return provider_get(provider).address.unpack(unseal(sealed, purpose=Purpose.ENDPOINT))


def endpoint_hash(address: str) -> bytes:
    """Of the token or push URL, 32 bytes: equal addresses are found without being readable."""
    return keyed_hash(address.encode(), purpose=Purpose.ENDPOINT_HASH)


def credentials_seal(fields: Mapping[str, str]) -> bytes:
    """`fields` are `AppSettings.secrets` of the app's provider."""
    return seal(json.dumps(fields, separators=(",", ":")).encode(), purpose=Purpose.APP_CREDENTIALS)


def credentials_unseal(sealed: bytes) -> dict[str, str]:
    """Raises SealBroken."""
    fields: dict[str, str] = json.loads(unseal(sealed, purpose=Purpose.APP_CREDENTIALS))
    return fields
