from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Device, EndpointState
from notifications.expansion.expand import expansion_step
from notifications.holds.detection import GONE_WINDOW
from notifications.models import Delivery
from notifications.topics import topic_ensure, topic_subscribe
from tenants.services import TenantCreated
from tests.notifications.api.conftest import device_make

AGES = [timedelta(), GONE_WINDOW - timedelta(seconds=20), GONE_WINDOW + timedelta(seconds=1)]
ALWAYS = {EndpointState.PENDING, EndpointState.ACTIVE, EndpointState.SUSPECT}
REACHABLE = [(state, age) for state in ALWAYS for age in AGES] + [(EndpointState.GONE, age) for age in AGES[:2]]


@pytest.fixture
def devices(acme: TenantCreated, globex: TenantCreated) -> list[Device]:
    """Alice's two, one of them subscribed as a device too; bob's in every state, of every age; other tenants' one."""
    alices = [device_make(acme.tenant, user="alice") for _ in range(2)]
    now = timezone.now()
    bobs = [
        device_make(acme.tenant, user="bob", endpoint_state=state, endpoint_changed_at=now - age)
        for state in EndpointState
        for age in AGES
    ]
    topic = topic_ensure(tenant=acme.tenant, name="updates")
    topic_subscribe(tenant=acme.tenant, topic=topic, users=["alice", "bob"], devices=[alices[0].device_id])
    device_make(globex.tenant, user="alice")
    return alices + bobs


@pytest.mark.parametrize("kind", ["users", "devices", "topic", "large topic", "all"])
def test_a_dry_run_counts_the_devices_that_the_expansion_finds(
    backend: APIClient, devices: list[Device], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    to: dict[str, dict[str, Any]] = {
        "users": {"users": ["alice", "bob"]},
        "devices": {"devices": [str(device.device_id) for device in devices]},
        "topic": {"topic": "updates"},
        "large topic": {"topic": "updates"},
        "all": {"all": True},
    }
    if kind == "large topic":
        monkeypatch.setattr("notifications.expansion.audience.TOPIC_SMALL", 0)
    assert counted_and_expanded(backend, to[kind]) == (2 + len(REACHABLE), 2 + len(REACHABLE))


@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("state", EndpointState)
def test_a_device_counts_if_it_gets_a_delivery(
    acme: TenantCreated, backend: APIClient, state: EndpointState, age: timedelta
) -> None:
    device_make(acme.tenant, user="bob", endpoint_state=state, endpoint_changed_at=timezone.now() - age)
    expected = 1 if (state, age) in REACHABLE else 0
    assert counted_and_expanded(backend, {"users": ["bob"]}) == (expected, expected)


def test_an_unknown_topic_counts_nothing(backend: APIClient) -> None:
    assert counted_and_expanded(backend, {"topic": "unknown"}) == (0, 0)


def counted_and_expanded(backend: APIClient, to: dict[str, Any]) -> tuple[int, int]:
    """What the dry run says, and the deliveries that the same request makes."""
    body = {"to": to, "content": {"title": "Hello"}}
    counted = backend.post("/v1/notifications", body | {"dry_run": True}).data["audience"]
    backend.post("/v1/notifications", body)
    while expansion_step():
        pass
    return counted, Delivery.objects.count()
