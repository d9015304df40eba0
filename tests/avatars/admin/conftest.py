from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from tenants.services import TenantCreated
from tests.avatars.core.builders import picture, upload, work


@pytest.fixture(autouse=True)
def _settings(settings: Any, tmp_path: Path) -> None:
    settings.AVATAR_STORAGE = "local"
    settings.AVATAR_LOCAL_DIR = tmp_path / "objects"
    settings.AVATAR_ENGINE = "stub"


@pytest.fixture
def moderated(acme: TenantCreated, user_client: Any) -> Callable[..., UUID]:
    """Upload a picture of a colour for a user and let the workflow run: yellow waits for a person, red is rejected."""

    def make(colour: str = "yellow", user: str = "alice") -> UUID:
        client: APIClient = user_client(acme, user)
        avatar_id = upload(client, picture(colour))
        work()
        return avatar_id

    return make
