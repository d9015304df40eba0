"""Every route of the schema, called for acme's objects with globex's key and with another user's token.

The other callers call first. Then the owner sends the same request and must succeed, because a route that refuses
every caller would prove nothing. A route without an entry here fails.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from devices.models import App, Device, EndpointState
from notifications.models import Delivery
from notifications.receipts import receipt_token
from pushhub.http.docs import METHODS, schema
from tenants.models import Tenant
from tenants.services import user_token_mint
from tests.devices.builders import sns_app_create
from tests.fixtures import bearer_client
from tests.sns import certificate, message
from tests.walk import MARKER, World, rows_of, world_shared

OPERATIONS = {
    f"{method.upper()} {path}": item[method]
    for path, item in schema()["paths"].items()
    for method in METHODS
    if method in item
}
HIDDEN = {404}
REFUSED = {403, 404}


@dataclass(frozen=True)
class Step:
    """One route: its body and query, and the allowed statuses for each caller. If another tenant may succeed, names
    belong to a tenant or the response is a list of its own objects. Then the walk only checks that no object of acme
    changes or is shown."""

    body: Any = None
    query: str = ""
    media_type: str = "application/json"
    globex: set[int] = field(default_factory=lambda: HIDDEN)
    bob: set[int] = field(default_factory=lambda: REFUSED)
    alice: set[int] | None = None  # None: 2xx if the OpenAPI document allows user tokens, otherwise 403


OWN = {200, 201, 202, 204}
WEB = {"platform": "web", "user_id": "alice"}

WALK: dict[str, Step] = {
    "GET /v1/apps": Step(globex=OWN),
    "POST /v1/apps": Step(body={"name": "other", "provider": "webpush"}, globex=OWN),
    "GET /v1/apps/{name}": Step(),
    "PATCH /v1/apps/{name}": Step(body={"enabled": False}),
    "DELETE /v1/apps/{name}": Step(),
    "POST /v1/apps/{name}:verify": Step(),
    "POST /v1/apps/{name}:rotate": Step(body={}),
    "GET /v1/avatars": Step(globex=OWN, bob=OWN),
    "POST /v1/avatars": Step(body={"content_type": "image/jpeg", "user_id": "alice"}, globex=OWN),
    "GET /v1/avatars/{avatar_id}": Step(),
    "DELETE /v1/avatars/{avatar_id}": Step(),
    "POST /v1/avatars/{avatar_id}:complete": Step(),
    "POST /v1/avatars/{avatar_id}:appeal": Step(),
    "GET /v1/devices": Step(globex=OWN),
    "POST /v1/devices:import": Step(body={"device_id": "none"}, media_type="application/x-ndjson", globex=OWN),
    "POST /v1/devices:export": Step(body={}, globex=OWN),
    "GET /v1/jobs": Step(globex=OWN),
    "GET /v1/jobs/{job_id}": Step(),
    "GET /v1/jobs/{job_id}/errors": Step(),
    "GET /v1/jobs/{job_id}/result": Step(),
    "POST /v1/jobs/{job_id}:cancel": Step(),
    "GET /v1/devices/{device_id}": Step(),
    "PUT /v1/devices/{device_id}": Step(body=WEB, globex=OWN),
    "PATCH /v1/devices/{device_id}": Step(body={"locale": "pt-BR"}),
    "DELETE /v1/devices/{device_id}": Step(),
    "GET /v1/webpush/config": Step(globex=OWN, bob=OWN),
    "GET /v1/events": Step(globex=OWN),
    "GET /v1/notifications": Step(globex=OWN),
    "POST /v1/notifications": Step(body={"to": {"users": ["alice"]}, "content": {"title": "Hi"}}, globex=OWN),
    "GET /v1/notifications/{notification_id}": Step(),
    "GET /v1/notifications/{notification_id}/deliveries": Step(),
    "POST /v1/notifications/{notification_id}:cancel": Step(),
    "POST /v1/notifications/{notification_id}:redrive": Step(),
    "GET /v1/topics": Step(globex=OWN),
    "GET /v1/topics/{name}/subscribers": Step(alice={403}),
    "PUT /v1/topics/{name}/subscribers": Step(body={"users": ["alice"]}, globex=OWN),
    "DELETE /v1/topics/{name}/subscribers": Step(query="?user_id=alice"),
    "GET /v1/users/{user_id}": Step(globex=OWN),
    "PUT /v1/users/{user_id}": Step(body={"locale": "pt-BR"}, globex=OWN, alice={403}),
    "PATCH /v1/users/{user_id}": Step(body={"locale": "pt-BR"}, globex=OWN),
    "DELETE /v1/users/{user_id}": Step(globex=OWN, alice={403}),
    "POST /v1/users/{user_id}/tokens": Step(body={}, globex=OWN),
}
# Routes without pushhub's credentials. Their tests are below; the test of buckets, which have no tenant, is in
# tests/avatars.
SIGNED = {"POST /v1/receipts", "POST /callbacks/sns/{app_id}", "POST /callbacks/s3"}


@pytest.fixture(scope="module")
def _world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with world_shared(django_db_blocker) as world:
        yield world


@pytest.fixture
def world(_world: World, db: None) -> World:
    return replace(_world, ids=dict(_world.ids))


def send(client: APIClient | Client, label: str, step: Step, world: World) -> Any:
    method, path = label.split(" ")
    body = {**step.body, "subscription": world.subscription} if step.body is WEB else step.body
    return client.generic(method, world.address(path) + step.query, _json(body), step.media_type)


def shown(response: Any) -> str:
    return b"".join(response).decode()


def _json(body: Any) -> str:
    return "" if body is None else json.dumps(body)


def as_user(world: World, user_id: str) -> APIClient:
    return bearer_client(user_token_mint(tenant=world.acme.tenant, user_id=user_id))


def test_the_walk_has_every_route() -> None:
    assert set(OPERATIONS) == set(WALK) | SIGNED


@pytest.mark.parametrize("label", WALK)
def test_a_request_without_a_credential_is_refused(label: str, world: World) -> None:
    assert send(Client(), label, WALK[label], world).status_code == 401


@pytest.mark.parametrize("label", WALK)
def test_another_tenant_has_no_access_to_acmes_objects(label: str, world: World) -> None:
    before = rows_of(world.acme.tenant.pk)
    response = send(bearer_client(world.globex.server_key), label, WALK[label], world)
    assert response.status_code in WALK[label].globex, shown(response)
    assert MARKER not in shown(response)
    assert rows_of(world.acme.tenant.pk) == before
    owned(label, world)


@pytest.mark.parametrize("label", WALK)
def test_another_user_has_no_access_to_alices_objects(label: str, world: World) -> None:
    before = rows_of(world.acme.tenant.pk)
    response = send(as_user(world, "bob"), label, WALK[label], world)
    assert response.status_code in WALK[label].bob, shown(response)
    assert MARKER not in shown(response)
    assert rows_of(world.acme.tenant.pk) == before
    owned(label, world)


def owned(label: str, world: World) -> None:
    """The positive control: the same request by the owner."""
    if label == "DELETE /v1/apps/{name}":
        world.backend.delete(f"/v1/devices/{world.ids['device_id']}")
        world.ids["app"] = world.backend.post("/v1/apps", {"name": "spare", "provider": "webpush"}).json()["id"]
    response = send(world.backend, label, WALK[label], world)
    assert 200 <= response.status_code < 300, shown(response)


@pytest.mark.parametrize("label", WALK)
def test_users_have_access_to_their_own_objects_where_it_is_documented(label: str, world: World) -> None:
    response = send(as_user(world, "alice"), label, WALK[label], world)
    described = {"user_token": []} in OPERATIONS[label]["security"]
    expected = WALK[label].alice or (OWN if described else {403})
    assert response.status_code in expected, shown(response)


def test_another_user_can_take_over_a_device_only_with_proof(world: World) -> None:
    address = f"/v1/devices/{world.ids['device_id']}"
    body = {"platform": "web", "user_id": "bob", "subscription": world.subscription}
    before = rows_of(world.acme.tenant.pk)
    assert as_user(world, "bob").put(address, body).status_code == 404
    assert rows_of(world.acme.tenant.pk) == before
    proof = {"device_secret": world.ids["device_secret"]}
    assert as_user(world, "bob").put(address, body | proof).status_code == 200


def test_a_receipt_needs_a_valid_signature(world: World) -> None:
    delivery = Delivery.objects.get(tenant=world.acme.tenant)
    valid = receipt_token(delivery.pk)
    forged = ("A" if valid[-2] != "A" else "B").join([valid[:-2], valid[-1:]])
    responses = [
        Client().post("/v1/receipts", {"receipts": [{"token": token, "event": "opened"}]}, "application/json").json()
        for token in (forged, valid)
    ]
    assert responses == [{"taken": 0, "refused": 1}, {"taken": 1, "refused": 0}]


def sns_endpoint(tenant: Tenant, name: str) -> tuple[App, str]:
    """An SNS app with events, and a device's endpoint there."""
    arn = f"arn:aws:sns:eu-west-1:123456789012:{{}}/APNS/{name}"
    keys = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "s" * 40}
    app = sns_app_create(tenant, name, arn.format("app"), credentials=keys)
    App.objects.filter(id=app.id).update(event_topic_arn=f"arn:aws:sns:eu-west-1:123456789012:{name}-events")
    app.refresh_from_db()
    device = Device(
        tenant=tenant, app=app, device_id=uuid4(), platform="ios", secret_hash=b"", endpoint_hash=name.encode()
    )
    device.endpoint_state, device.endpoint_arn = EndpointState.ACTIVE, f"{arn.format('endpoint')}/1"
    device.endpoint_changed_at = timezone.now() - timedelta(hours=1)  # an update must be newer than this
    device.save(force_insert=True)
    return app, device.endpoint_arn


def test_an_apps_callback_accepts_messages_of_its_own_topic_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.sns.callbacks.certificates", lambda policy: lambda url: certificate())
    acmes, endpoint = sns_endpoint(world.acme.tenant, "acme-ios")
    globexs, _ = sns_endpoint(world.globex.tenant, "globex-ios")
    failure = {"EventType": "DeliveryFailure", "EndpointArn": endpoint, "FailureType": "InvalidPlatformToken"}
    before = rows_of(world.acme.tenant.pk)

    def call(app: App, topic: str) -> int:
        body = json.dumps(message(json.dumps(failure), topic=topic))
        return Client().post(f"/callbacks/sns/{app.id}", body, "text/plain").status_code

    assert call(acmes, globexs.event_topic_arn) == 400  # globex's topic at acme's address
    assert call(globexs, globexs.event_topic_arn) == 200  # at globex's address, with acme's endpoint
    assert rows_of(world.acme.tenant.pk) == before
    assert call(acmes, acmes.event_topic_arn) == 200
    assert Device.objects.get(endpoint_arn=endpoint).endpoint_state == EndpointState.DISABLED
