"""The contract of stores, for the embedded store over HTTP and for a real S3 server, with versions and without."""

from __future__ import annotations

from typing import Any

import pytest
from typing_extensions import override

from avatars.storage.base import Storage
from avatars.storage.local import LocalStorage
from tests.avatars.core.contract import StorageContract
from tests.avatars.core.seaweed import VERSIONED, Server


@pytest.mark.django_db(transaction=True)
class TestLocal(StorageContract):
    @pytest.fixture
    @override
    def storage(self, store: LocalStorage) -> Storage:
        return store

    @pytest.fixture
    @override
    def origin(self, live_server: Any) -> str:
        url: str = live_server.url
        return url


class TestS3(StorageContract):
    @pytest.fixture
    @override
    def storage(self, seaweed_server: Server) -> Storage:
        return seaweed_server.storage()


class TestS3WithVersions(StorageContract):
    @pytest.fixture
    @override
    def storage(self, seaweed_server: Server) -> Storage:
        return seaweed_server.storage(VERSIONED)
