"""The demo tenant that `manage.py demo_setup` makes."""

import os

from django.http import Http404

from tenants.models import Tenant

DEMO_TENANT = "demo"
DEMO_USERS = ("alice", "bob")


def demo_tenant() -> Tenant:
    tenant = Tenant.objects.filter(slug=DEMO_TENANT).first()
    if tenant is None:
        raise Http404("There is no demo tenant: run `manage.py demo_setup`.")
    return tenant


def sandbox_url() -> str:
    """The address of the sandbox that `make run` started, or empty."""
    return os.environ.get("PUSHHUB_SANDBOX_URL", "")
