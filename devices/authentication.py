"""A device may speak for itself with its `device_secret` alone: enough to log out, and to bring a new token."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from typing_extensions import override

from devices.device_secret import secret_hash, secret_tenant
from tenants.callers import Caller
from tenants.models import Tenant

SECRET_HEADER = "Device-Secret"  # noqa: S105


def device_secret_of(request: Request) -> str:
    """From the header, or from the body, which no CORS preflight has to allow."""
    body = request.data if request.method in {"PUT", "PATCH"} else None
    secret = body.get("device_secret") if isinstance(body, dict) else None
    return request.headers.get(SECRET_HEADER) or (secret if isinstance(secret, str) else "")


class DeviceSecretAuthentication(BaseAuthentication):
    """Without any other credential. The secret names its tenant; whether it is the device's is for the services to say.

    The caller is nobody's client: a user token's caller without a user.
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
            raise AuthenticationFailed("The device secret is not one of ours.")
        # Limited apart, whether the secret is right or not: made-up ones must not use up the quota of the others.
        label = f"device:{secret_hash(device_secret_of(request)).hex()[:16]}"
        caller = Caller(tenant, "user_token", label, user_id=None)
        return caller, caller
