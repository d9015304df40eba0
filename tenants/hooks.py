"""Hooks with which other apps add objects to a new tenant. Apps register them in `AppConfig.ready()`."""

from collections.abc import Callable
from typing import Any

from tenants.models import Tenant

_on_tenant_created: list[Callable[[Tenant], dict[str, Any]]] = []


def tenant_created_register(hook: Callable[[Tenant], dict[str, Any]]) -> None:
    """`hook(tenant)` runs in the transaction that creates the tenant. Its result is added to `TenantCreated.extra`."""
    if hook not in _on_tenant_created:
        _on_tenant_created.append(hook)


def tenant_created_run(tenant: Tenant) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    for hook in _on_tenant_created:
        extra |= hook(tenant)
    return extra
