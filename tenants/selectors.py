"""Selectors of tenants and their users."""

from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import EndUser, Tenant
from tenants.user_ids import user_id_fault


def tenant_get(*, slug: str) -> Tenant:
    """For operators. Raises ApiError NOT_FOUND."""
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail=f"The tenant {slug!r} does not exist.")
    return tenant


def end_user_get_for_tenant(*, tenant: Tenant, user_id: str) -> EndUser:
    """The only way to a user from outside: a user that does not exist and a user of another tenant raise the same
    ApiError NOT_FOUND."""
    user = None if user_id_fault(user_id) else EndUser.objects.filter(tenant=tenant, user_id=user_id).first()
    if user is None:
        raise ApiError(ErrorCode.NOT_FOUND)
    return user
