from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import redis
from django.db import connections

from pushhub.embedded.cluster import EmbeddedCluster
from pushhub.embedded.stage import Stage, stage
from tests.plugin import private_cluster

pytest_plugins = ["tests.fixtures"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Several runs may share the server of DATABASE_URL. Each run has its own database."""
    connections["default"].settings_dict["TEST"]["NAME"] = f"test_pushhub_{os.getpid()}"


@pytest.fixture(scope="session")
def _own_valkey(pytestconfig: pytest.Config) -> redis.Redis | None:
    """The Valkey that this run has started; None for the server of CACHE_URL, which has other keys and is never
    emptied."""
    cluster = pytestconfig.stash[private_cluster]
    return redis.Redis.from_url(cluster.valkey.url("1")) if cluster else None


@pytest.fixture(autouse=True)
def _fresh_counters(_own_valkey: redis.Redis | None) -> Iterator[None]:
    """Rate limits and wake-up marks of one test must not affect the next test."""
    yield
    if _own_valkey is not None:
        _own_valkey.flushall()


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """A durable PostgreSQL and Valkey for this test only, which it can kill and restart."""
    with EmbeddedCluster.temporary() as started:
        yield started


@pytest.fixture(scope="session")
def service() -> Iterator[Stage]:
    """A running service with the sandbox as its vendors. All tests that call the service from outside share it."""
    with stage() as running:
        yield running
