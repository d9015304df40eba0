"""Registrations of web and iOS devices, and a sandbox for the vendor's side."""

import base64
import os
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework.test import APIClient

from devices.models import App
from providers.sns import background
from sandbox.testing import SandboxProcess, SnsApplication
from tenants.models import Tenant
from tenants.services import TenantCreated
from tests.devices.builders import sns_app_create
from tests.fixtures import ClientFor

SnsApp = Callable[..., tuple[App, SnsApplication]]


def b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def subscription(path: str = "") -> dict[str, Any]:
    """A new browser's PushSubscription.toJSON() at a vendor's host."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {
        "endpoint": f"https://updates.push.services.mozilla.com/wpush/v2/{path or uuid4().hex}",
        "expirationTime": None,
        "keys": {"p256dh": b64url(raw), "auth": b64url(os.urandom(16))},
    }


def web_body(**more: Any) -> dict[str, Any]:
    return {"platform": "web", "subscription": subscription(), **more}


def apns_token() -> str:
    return os.urandom(32).hex()


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess() as running:
        yield running


@pytest.fixture
def sandbox(_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """A running sandbox without devices, which boto3 uses as AWS."""
    _sandbox.reset(devices=True)
    for name, value in _sandbox.aws_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(background, "WAIT_SECONDS", 10.0)  # a busy machine takes seconds to load botocore
    return _sandbox


@pytest.fixture
def sns_app(sandbox: SandboxProcess) -> SnsApp:
    """`sns_app(tenant)`: an APNS app of the tenant, with a platform application at the sandbox behind it."""

    def make(tenant: Tenant, platform: str = "APNS", name: str = "acme-ios") -> tuple[App, SnsApplication]:
        made = sandbox.mint_sns_application(platform)
        keys = {"access_key_id": made.access_key_id, "secret_access_key": made.secret_access_key}
        app = sns_app_create(tenant, name, made.arn, credentials=keys)
        return app, made

    return make


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor) -> APIClient:
    return client_for(acme)


@pytest.fixture
def application(acme: TenantCreated, sns_app: SnsApp) -> SnsApplication:
    return sns_app(acme.tenant)[1]
