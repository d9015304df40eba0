"""Reads the token or subscription of a registration: whether it can be used, and how it is looked up. No DNS."""

from collections.abc import Callable, Mapping
from typing import Any

from devices.models import App, VapidKey
from devices.sealing import endpoint_hash
from devices.types import Address, DeviceRegistration
from providers.addresses import AllowedHosts
from providers.base import Provider
from providers.registry import provider_get, providers_all
from pushhub.http.network import network_policy
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant


def address_read(
    *, tenant: Tenant, app: App, data: DeviceRegistration, key_for: Callable[[App, str], VapidKey | None] | None = None
) -> Address:
    """`key_for` finds the app's key that a client subscribed with (`vapid_key_for`, or one with a cache).

    Raises ApiError INVALID, SUBSCRIPTION_INVALID or ENDPOINT_REFUSED, each with the pointer of the field.
    """
    provider = provider_get(app.provider)
    if not provider.address.names.issuperset(data.address):
        raise _foreign_field(provider, data.address)
    allowed = AllowedHosts(network_policy(), tuple(tenant.push_hosts))
    read = provider.address.read(data.address, platform=app.sns_platform, allowed=allowed)
    return Address(
        hash=endpoint_hash(read.lookup),
        fields=read.fields,
        push_origin=read.push_origin,
        vapid_key=(key_for or vapid_key_for)(app, read.key) if provider.has_alternate_keys else None,
        names_key=bool(read.key),
    )


def _foreign_field(provider: Provider, given: Mapping[str, Any]) -> ApiError:
    """Names the platform's own token or subscription, unless it is given and only another field is foreign."""
    own = provider.address.fields[0].name
    tokens = {other.address.fields[0].name for other in providers_all()}
    foreign = given.keys() - provider.address.names
    if own not in given or foreign & tokens:
        return ApiError(ErrorCode.INVALID, detail=f"This platform brings a `{own}`.", pointer=f"/{own}")
    return ApiError(ErrorCode.INVALID, detail="Not a field of this platform.", pointer=f"/{min(foreign)}")


def vapid_key_for(app: App, server_key: str) -> VapidKey | None:
    """The key the browser subscribed with (RFC 8292 §4.2), if it says so or the app has only one. None: sending tries
    each key, and remembers the one that fits.

    Raises ApiError APP_UNAVAILABLE, SUBSCRIPTION_INVALID.
    """
    live = VapidKey.objects.filter(tenant=app.tenant_id, app=app, retired_at=None)
    if not server_key:
        candidates = list(live.order_by("-id")[:2])
        if not candidates:
            raise ApiError(ErrorCode.APP_UNAVAILABLE, detail="The app has no VAPID key.", pointer="/platform")
        return candidates[0] if len(candidates) == 1 else None
    key = live.filter(public_key=server_key.rstrip("=")).first()
    if key is None:
        raise ApiError(
            ErrorCode.SUBSCRIPTION_INVALID,
            detail="This application server key is not one of the app's: subscribe with the one of /v1/webpush/config.",
            pointer="/application_server_key",
        )
    return key
