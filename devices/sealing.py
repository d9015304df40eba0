"""The secrets this room keeps at rest, and under which purpose: `<app label>.<model>.<field>`."""

import json
from collections.abc import Mapping

from pushhub.crypto import keyed_hash, seal, unseal

ENDPOINT = "devices.device.endpoint_sealed"
ENDPOINT_HASH = "devices.device.endpoint_hash"
APP_CREDENTIALS = "devices.app.credentials_sealed"
VAPID_PRIVATE_KEY = "devices.vapidkey.private_key_sealed"
SUBSCRIBE_URL = "devices.callbackreceipt.subscribe_url_sealed"


def endpoint_seal(fields: Mapping[str, str]) -> bytes:
    """`{"token"}`, or `{"endpoint", "p256dh", "auth"}` (base64url), as JSON under seal."""
    return seal(json.dumps(fields, separators=(",", ":")).encode(), purpose=ENDPOINT)


def endpoint_unseal(sealed: bytes) -> dict[str, str]:
    """Raises SealBroken."""
    fields: dict[str, str] = json.loads(unseal(sealed, purpose=ENDPOINT))
    return fields


def endpoint_hash(address: str) -> bytes:
    """Of the token or push URL, 32 bytes: equal addresses are found without being readable."""
    return keyed_hash(address.encode(), purpose=ENDPOINT_HASH)


def credentials_seal(fields: Mapping[str, str]) -> bytes:
    """SNS: `{"access_key_id", "secret_access_key"}`; stub: `{"url"}`."""
    return seal(json.dumps(fields, separators=(",", ":")).encode(), purpose=APP_CREDENTIALS)


def credentials_unseal(sealed: bytes) -> dict[str, str]:
    """Raises SealBroken."""
    fields: dict[str, str] = json.loads(unseal(sealed, purpose=APP_CREDENTIALS))
    return fields
