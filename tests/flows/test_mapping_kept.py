"""An error that says nothing about the endpoint changes nothing about the device."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from sandbox.testing import SandboxProcess
from tenants.services import TenantCreated
from tests.fixtures import ClientFor
from tests.notifications.builders import dispatcher_make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor, settings: Settings) -> APIClient:
    settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS = [ip_network("127.0.0.1/32")]
    settings.PUSHHUB_SEND_SECONDS = 1.0
    return client_for(acme)


def after_one_push(backend: APIClient, sandbox: SandboxProcess, behaviour: str) -> Any:
    """The device as the API shows it, after its push service answered one push with `behaviour`."""
    key = backend.get("/v1/webpush/config").json()["application_server_key"]
    (subscription,) = sandbox.mint_web(application_server_key=key, behaviour=behaviour)
    path = f"/v1/devices/{uuid4()}"
    backend.put(path, {"platform": "web", "user_id": "alice", "subscription": dict(subscription)})
    backend.post("/v1/notifications", {"to": {"users": ["alice"]}, "content": {"title": "Hello"}})
    dispatcher = dispatcher_make(window=8)
    dispatcher.run(seconds=5)
    dispatcher.close()
    return backend.get(path).json()


@pytest.mark.parametrize("behaviour", ["throttle", "server_error", "unavailable", "forbidden", "too_large", "hang"])
def test_an_error_that_says_nothing_about_the_endpoint_keeps_it(
    backend: APIClient, sandbox: SandboxProcess, behaviour: str
) -> None:
    device = after_one_push(backend, sandbox, behaviour)
    assert (device["endpoint"]["state"], device["user_id"]) == ("active", "alice")


@pytest.mark.parametrize("behaviour", ["gone", "not_found"])
def test_the_vendors_word_that_the_endpoint_is_gone_marks_it(
    backend: APIClient, sandbox: SandboxProcess, behaviour: str
) -> None:
    device = after_one_push(backend, sandbox, behaviour)
    assert (device["endpoint"]["state"], device["user_id"]) == ("gone", "alice")
