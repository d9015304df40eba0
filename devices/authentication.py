"""A device may authenticate with its `device_secret` alone: to log out, and to send a new token or subscription."""

from uuid import UUID

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from typing_extensions import override

from devices.device_secret import secret_matches, secret_tenant
from devices.models import Device
from pushhub.kernel.metrics import Metric, count
from tenants.callers import Caller

SECRET_HEADER = "Device-Secret"  # noqa: S105
SECRET_METHODS = frozenset({"PUT", "PATCH"})


def device_secret_of(request: Request) -> str:
    """From the header, or from the body, which no CORS preflight has to allow."""
    body = request.data if request.method in SECRET_METHODS else None
    secret = body.get("device_secret") if isinstance(body, dict) else None
    return request.headers.get(SECRET_HEADER) or (secret if isinstance(secret, str) else "")


class DeviceSecretAuthentication(BaseAuthentication):
    """For requests without any other credential. The secret must be that of the device in the path.

    The caller is the device: a user token's caller without a user. A wrong secret and an unknown device get the same
    response, 401, so that a secret cannot be used to find out which devices exist.
    """

    @override
    def authenticate(self, request: Request) -> tuple[Caller, Caller] | None:
        if "Authorization" in request.headers or request.method not in SECRET_METHODS:
            return None
        secret = device_secret_of(request)
        tenant_id = secret_tenant(secret)
        if tenant_id is None:
            return None
        device = _device_find(tenant_id, request.parser_context["kwargs"].get("device_id", ""))
        if device is None or not secret_matches(device, secret):
            count(Metric.AUTHENTICATION_FAILURES, reason="device_secret")
            raise AuthenticationFailed("The device secret is not that of this device.")
        caller = Caller(device.tenant, "user_token", f"device:{device.device_id}", user_id=None)
        return caller, caller


def _device_find(tenant_id: UUID, device_id: str) -> Device | None:
    """The live device, with its tenant."""
    try:
        key = UUID(device_id)
    except ValueError:
        return None
    devices = Device.objects.select_related("tenant").filter(tenant_id=tenant_id, tenant__is_active=True)
    return devices.filter(device_id=key, deleted_at=None).first()
