from __future__ import annotations

import pytest

from tenants.models import Tenant


@pytest.fixture
def acme(db: None) -> Tenant:
    return Tenant.objects.create(slug="acme")


@pytest.fixture
def globex(db: None) -> Tenant:
    return Tenant.objects.create(slug="globex")
