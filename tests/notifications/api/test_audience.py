from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Device, EndpointState
from notifications.expansion.expand import expansion_step
from notifications.models import Delivery
from notifications.topics import topic_ensure, topic_subscribe
from tenants.services import TenantCreated
from tests.notifications.api.conftest import device_make


@pytest.fixture
def devices(acme: TenantCreated, globex: TenantCreated) -> list[Device]:
    """Alice's two, one of them subscribed by itself, bob's, one in every endpoint state, and a stranger's."""
    alices = [device_make(acme.tenant, user="alice") for _ in range(2)]
    long_ago = timezone.now() - timedelta(hours=1)
    others = [
        device_make(acme.tenant, user="bob", endpoint_state=state, endpoint_changed_at=long_ago)
        for state in EndpointState
    ]
    topic = topic_ensure(tenant=acme.tenant, name="updates")
    topic_subscribe(tenant=acme.tenant, topic=topic, users=["alice"], devices=[alices[0].device_id])
    device_make(globex.tenant, user="alice")
    return alices + others


@pytest.mark.parametrize("kind", ["users", "devices", "topic", "all"])
def test_a_dry_run_counts_whom_the_expansion_finds(backend: APIClient, devices: list[Device], kind: str) -> None:
    to: dict[str, Any] = {
        "users": ["alice", "bob"],
        "devices": [str(device.device_id) for device in devices],
        "topic": "updates",
        "all": True,
    }
    body = {"to": {kind: to[kind]}, "content": {"title": "Hello"}}
    counted = backend.post("/v1/notifications", body | {"dry_run": True}).data["audience"]
    backend.post("/v1/notifications", body)
    while expansion_step():
        pass
    assert counted == Delivery.objects.count() == (2 if kind == "topic" else 5)
