"""The `device_secret`: the first registration answers it, and it proves that later requests are the device's."""

import hashlib
import hmac
import re
import secrets
from uuid import UUID

from devices.models import Device
from tenants.models import Tenant

_SECRET = re.compile(r"phd_([0-9a-f]{32})_[A-Za-z0-9_-]{43}")


def secret_make(tenant: Tenant) -> str:
    """`phd_<tenant>_<256 bits>`. It names its tenant, so that a logout by the secret alone needs no search across
    tenants."""
    return f"phd_{tenant.id.hex}_{secrets.token_urlsafe(32)}"


def secret_tenant(secret: str) -> UUID | None:
    match = _SECRET.fullmatch(secret)
    return UUID(match[1]) if match else None


def secret_hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def secret_matches(device: Device, secret: str) -> bool:
    return bool(secret) and hmac.compare_digest(secret_hash(secret), bytes(device.secret_hash))
