import json
import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.management.commands.tenant_create import tenant_json
from tenants.models import Tenant
from tenants.services import end_user_ensure, tenant_create, tenant_link_schemes

ADMIN = "admin"
TENANT = "demo"
USERS = ("alice", "bob")
LINK_SCHEMES = ("acme",)  # of the phone in docs/phones.md
SECRETS = ("server_key", "identity_key", "vapid_public_key")


class Command(ServiceCommand):
    help = (
        f"Create the admin user {ADMIN!r} and the tenant {TENANT!r} with users, unless they exist. Print one JSON "
        "object. The secrets of objects that already existed are null."
    )

    @override
    @transaction.atomic
    def run(self, **options: Any) -> str:
        return json.dumps(
            {"admin_user": ADMIN, "admin_password": _admin_create(), "tenant": TENANT, **_tenant_create()}
        )


def _admin_create() -> str | None:
    """The password of the created user; None if the user existed."""
    users = get_user_model().objects
    if users.filter(username=ADMIN).exists():
        return None
    password = secrets.token_urlsafe(15)
    users.create_superuser(ADMIN, "", password)
    return password


def _tenant_create() -> dict[str, Any]:
    """The secrets of the created tenant; each is None if the tenant existed."""
    tenant = Tenant.objects.filter(slug=TENANT).first()
    secrets: dict[str, Any] = {}
    if tenant is None:
        created = tenant_create(slug=TENANT, name="Demo")
        tenant, secrets = created.tenant, tenant_json(created)
        tenant_link_schemes(tenant=tenant, schemes=LINK_SCHEMES)
    for user_id in USERS:
        end_user_ensure(tenant=tenant, user_id=user_id)
    return {name: secrets.get(name) for name in SECRETS}
