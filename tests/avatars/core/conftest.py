from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from avatars.storage import storage_get
from avatars.storage.local import LocalStorage
from tenants.services import TenantCreated
from tests.avatars.core import seaweed
from tests.avatars.core.builders import form_post

URL = "/v1/avatars"


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Path) -> None:
    settings.AVATAR_STORAGE = "local"
    settings.AVATAR_LOCAL_DIR = tmp_path / "objects"


@pytest.fixture
def store(_folder: None) -> LocalStorage:
    storage = storage_get()
    assert isinstance(storage, LocalStorage)
    return storage


@pytest.fixture
def backend(acme: TenantCreated, client_for: Any) -> APIClient:
    """Acme's backend."""
    client: APIClient = client_for(acme)
    return client


@pytest.fixture
def alice(acme: TenantCreated, user_client: Any) -> APIClient:
    """Alice's own client, at acme."""
    client: APIClient = user_client(acme, "alice")
    return client


@pytest.fixture
def started(alice: APIClient) -> dict[str, Any]:
    """An avatar of alice that awaits its upload."""
    response: dict[str, Any] = alice.post(URL, {"content_type": "image/jpeg"}).json()
    return response


@pytest.fixture
def uploaded(started: dict[str, Any]) -> dict[str, Any]:
    assert form_post(Client(), started["upload"], b"not much of a picture").status_code == 204
    return started


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweed.Server]:
    """A real, strict S3 server."""
    with seaweed.server(tmp_path_factory.mktemp("seaweed")) as started:
        yield started


@pytest.fixture(autouse=True)
def _stub_engine(settings: Any) -> None:
    """Labels by colour: green is approved, red rejected, yellow goes to a person, cyan is an engine that is down."""
    settings.AVATAR_ENGINE = "stub"
