"""A request may authenticate with a `device_secret` alone: enough to log out, and to register a new token."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from typing_extensions import override

from devices.device_secret import secret_hash, secret_tenant
from tenants.callers import Caller
from tenants.models import Tenant

SECRET_HEADER = "Device-Secret"  # noqa: S105


def device_secret_of(request: Request) -> str:
    """From the header, or from the body, which needs no permission by a CORS preflight."""
    body = request.data if request.method in {"PUT", "PATCH"} else None
    secret = body.get("device_secret") if isinstance(body, dict) else None
    return request.headers.get(SECRET_HEADER) or (secret if isinstance(secret, str) else "")


class DeviceSecretAuthentication(BaseAuthentication):
    """For requests without another credential. The secret names its tenant; the services check that it is the device's.

    The caller is like a user token's, without a user.
    """

    @override
    def authenticate(self, request: Request) -> tuple[Caller, Caller] | None:
        if "Authorization" in request.headers:
            return None
        tenant_id = secret_tenant(device_secret_of(request))
        if tenant_id is None:
            return None
        tenant = Tenant.objects.filter(id=tenant_id, is_active=True).first()
        if tenant is None:
            raise AuthenticationFailed("The device secret names no tenant.")
        # One rate limit for each secret, right or wrong: invented secrets must not use up the limit of real ones.
        label = f"device:{secret_hash(device_secret_of(request)).hex()[:16]}"
        caller = Caller(tenant, "user_token", label, user_id=None)
        return caller, caller
