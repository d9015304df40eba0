import json
import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from typing_extensions import override

from tenants.management.base import ServiceCommand
from tenants.management.commands.tenant_create import tenant_json
from tenants.models import Tenant
from tenants.services import end_user_ensure, tenant_create

ADMIN = "admin"
TENANT = "demo"
USERS = ("alice", "bob")
SECRETS = ("server_key", "identity_key", "vapid_public_key")


class Command(ServiceCommand):
    help = (
        f"Make the admin user {ADMIN!r} and the tenant {TENANT!r} with users, unless they are there. Prints one JSON "
        "object; what was there already has its secrets as null."
    )

    @override
    @transaction.atomic
    def run(self, **options: Any) -> str:
        made = {"admin_user": ADMIN, "admin_password": _admin(), "tenant": TENANT, **_tenant()}
        return json.dumps(made)


def _admin() -> str | None:
    users = get_user_model().objects
    if users.filter(username=ADMIN).exists():
        return None
    password = secrets.token_urlsafe(15)
    users.create_superuser(ADMIN, "", password)
    return password


def _tenant() -> dict[str, Any]:
    tenant = Tenant.objects.filter(slug=TENANT).first()
    made: dict[str, Any] = {}
    if tenant is None:
        created = tenant_create(slug=TENANT, name="Demo")
        tenant, made = created.tenant, tenant_json(created)
    for user_id in USERS:
        end_user_ensure(tenant=tenant, user_id=user_id)
    return {name: made.get(name) for name in SECRETS}
