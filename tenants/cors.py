"""The web pages that may read the API's responses: those whose exact origin the tenant lists.

A preflight has no credential, so an origin passes if *any* active tenant lists it. A response to a caller can be read
only if the *caller's* tenant lists the origin. A response without a caller (a 401, a receipt) contains nothing about a
tenant and follows the rule of preflights. Otherwise a page could not distinguish an expired token from an outage.
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
    """A receiver of django-cors-headers' signal check_request_enabled, which is also sent after the view, when the
    caller is known."""
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
    """The origins that active tenants list. Each process reads them once in LISTED_SECONDS."""
    rows = Tenant.objects.filter(is_active=True).exclude(cors_origins=[]).values_list("cors_origins", flat=True)
    return frozenset(chain.from_iterable(rows))
