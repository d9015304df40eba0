"""Reads the token or subscription of a registration: whether it can be used, and how it is looked up. No DNS."""

from collections.abc import Callable

from devices.models import App, VapidKey
from devices.sealing import endpoint_hash
from devices.types import Address, DeviceRegistration
from providers.addresses import AllowedHosts
from providers.registry import provider_get
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
        name = provider.address.fields[0].name
        raise ApiError(ErrorCode.INVALID, detail=f"This platform brings a `{name}`.", pointer=f"/{name}")
    allowed = AllowedHosts(network_policy(), tuple(tenant.push_hosts))
    read = provider.address.read(data.address, platform=app.sns_platform, allowed=allowed)
    return Address(
        hash=endpoint_hash(read.lookup),
        fields=read.fields,
        push_origin=read.push_origin,
        vapid_key=(key_for or vapid_key_for)(app, read.key) if provider.has_alternate_keys else None,
        names_key=bool(read.key),
    )


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
