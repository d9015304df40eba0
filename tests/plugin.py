"""Give every test run PostgreSQL and Valkey of its own, before pytest-django reads the settings.

Loaded by `-p` in pyproject.toml: a conftest.py would be too late. DATABASE_URL and CACHE_URL are used when set.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from pushhub.embedded.cluster import EmbeddedCluster
from pushhub.embedded.services import given, servers_needed

private_cluster = pytest.StashKey[EmbeddedCluster | None]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    cluster = None
    asked = early_config.known_args_namespace
    if servers_needed() and not (asked.help or asked.version):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: stop the servers on the way out
        stack = ExitStack()
        early_config.add_cleanup(stack.close)
        cluster = stack.enter_context(EmbeddedCluster.temporary(durable=False))
        os.environ.update({name: value for name, value in cluster.env().items() if not given(name)})
    early_config.stash[private_cluster] = cluster
    return (yield)
