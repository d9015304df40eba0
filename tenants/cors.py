"""Which web pages may read the API's answers: those whose exact origin the tenant lists.

A preflight carries no credential, so it is answered for an origin that *any* active tenant lists. The answer proper is
readable only if the *caller's* tenant lists the origin. An answer to nobody in particular (a 401, a receipt) says
nothing of any tenant and follows the preflight's rule: else a page could not tell an expired token from an outage.
"""

import time
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest

from pushhub.http.problems import API_PREFIXES
from tenants.models import Tenant

LISTED_SECONDS = 30


def origin_check(sender: Any, request: HttpRequest, **_: Any) -> bool:
    """Receiver of django-cors-headers' check_request_enabled; it is asked again after the view, with the caller
    known."""
    if not request.path_info.startswith(API_PREFIXES):
        return False
    origin = request.headers.get("Origin", "")
    tenant = None if request.method == "OPTIONS" else getattr(getattr(request, "user", None), "tenant", None)
    if tenant is not None:
        return origin in tenant.cors_origins
    try:
        return origin in origins_listed(int(time.monotonic() // LISTED_SECONDS))
    except (OperationalError, InterfaceError):
        return False


@lru_cache(maxsize=1)
def origins_listed(period: int) -> frozenset[str]:
    """Every origin an active tenant lists; read once per process and period of LISTED_SECONDS."""
    rows = Tenant.objects.filter(is_active=True).exclude(cors_origins=[]).values_list("cors_origins", flat=True)
    return frozenset(chain.from_iterable(rows))
