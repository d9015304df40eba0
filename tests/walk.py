"""Two tenants with the same names and different secrets, and one request for every route, for tests of all routes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.db import transaction
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from avatars.models import Avatar, StoredObject
from avatars.states import AvatarState
from devices.bulk.services import jobs_step
from tenants.services import TenantCreated, tenant_create
from tests.devices.conftest import subscription
from tests.fixtures import bearer_client

# Every object of acme that other callers must not read contains this text.
MARKER = "acme-eyes-only"


@dataclass
class World:
    """acme owns the objects in `ids`. globex also has a user alice. bob is another user of acme."""

    acme: TenantCreated
    globex: TenantCreated
    ids: dict[str, str] = field(default_factory=dict)
    subscription: dict[str, Any] = field(default_factory=subscription)

    @property
    def backend(self) -> APIClient:
        return bearer_client(self.acme.server_key)

    def path_values(self, path: str) -> dict[str, str]:
        """The values of a route's variables, for those variables for which acme has an object."""
        known = self.ids | {"name": self.ids["topic" if path.startswith("/v1/topics") else "app"]}
        if path.endswith(":cancel"):
            known["job_id"] = self.ids["open_job_id"]
        return {variable: known[variable] for variable in _variables(path) if variable in known}

    def address(self, path: str) -> str:
        return path.format(**self.path_values(path))


def _variables(path: str) -> list[str]:
    return [part.partition("}")[0] for part in path.split("{")[1:]]


@contextmanager
def world_shared(blocker: DjangoDbBlocker) -> Iterator[World]:
    """One world for a module. The transaction of each test is a savepoint in this one, which is rolled back."""
    with blocker.unblock(), transaction.atomic():
        yield world_make()
        transaction.set_rollback(True)


def world_make() -> World:
    world = World(tenant_create(slug="acme"), tenant_create(slug="globex"))
    web = world.backend.get("/v1/apps").json()["data"][0]
    device_id = str(uuid4())
    world.ids |= {"user_id": "alice", "device_id": device_id, "topic": "news", "app": web["id"], "app_id": web["id"]}
    for created in (world.acme, world.globex):
        attributes = {"marker": MARKER} if created is world.acme else {}
        _ok(bearer_client(created.server_key).put("/v1/users/alice", {"attributes": attributes}))
    body = {"platform": "web", "subscription": subscription(), "user_id": "alice", "tags": [MARKER]}
    world.ids["device_secret"] = _ok(world.backend.put(f"/v1/devices/{device_id}", body))["device_secret"]
    _ok(world.backend.put("/v1/topics/news/subscribers", {"users": [MARKER], "devices": [device_id]}))
    notification = {"to": {"devices": [device_id]}, "content": {"title": MARKER}}
    world.ids["notification_id"] = _ok(world.backend.post("/v1/notifications", notification))["id"]
    world.ids["avatar_id"] = _rejected_avatar(world)
    world.ids["job_id"] = _ok(world.backend.post("/v1/devices:export", {}))["id"]
    while jobs_step(deadline=time.monotonic() + 60):
        pass
    world.ids["open_job_id"] = _ok(world.backend.post("/v1/devices:export", {}))["id"]
    return world


def _rejected_avatar(world: World) -> str:
    """A rejected avatar of alice whose picture is still stored: it can be read, appealed and deleted."""
    body = {"content_type": "image/jpeg", "user_id": "alice"}
    avatar_id: str = _ok(world.backend.post("/v1/avatars", body))["id"]
    master = {"tenant": world.acme.tenant, "avatar_id": avatar_id, "key": f"masters/{MARKER}"}
    StoredObject.objects.create(**master)
    Avatar.objects.filter(id=avatar_id).update(
        state=AvatarState.REJECTED, reason="reviewer", detail=MARKER, master_key=master["key"]
    )
    return avatar_id


def _ok(response: Any) -> Any:
    assert 200 <= response.status_code < 300, response.content
    return response.json()


def rows_of(tenant_id: Any) -> dict[str, list[Any]]:
    """All rows of a tenant, by model. They must not change when others call."""
    return {
        model._meta.label: list(model._default_manager.filter(tenant=tenant_id).order_by("pk").values())
        for model in _models_with_tenant()
    }


def _models_with_tenant() -> Iterator[Any]:
    for model in apps.get_models():
        # Every request of the tenant itself changes the last use of its key and may store a response.
        owned = any(column.name == "tenant" for column in model._meta.get_fields())
        if owned and model._meta.object_name not in {"ApiKey", "IdempotencyRecord"}:
            yield model
