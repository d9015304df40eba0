"""Which links a notification may open."""

from collections.abc import Mapping
from typing import Any

from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant

WEB_SCHEMES = frozenset({"https", "http"})  # the serializer allows http for this machine only


def link_check(*, tenant: Tenant, content: Mapping[str, Any]) -> None:
    """Raises ApiError LINK_REFUSED for a scheme that is neither https nor registered by the tenant."""
    scheme, _, rest = content.get("url", "").partition(":")
    if rest and scheme.lower() not in WEB_SCHEMES.union(tenant.link_schemes):
        detail = f"The tenant has not registered the scheme {scheme.lower()!r}."
        raise ApiError(ErrorCode.LINK_REFUSED, detail=detail, pointer="/content/url")
