"""Starts a PostgreSQL and a Valkey for every test run, before pytest-django reads the settings.

pyproject.toml loads it with `-p`, because a conftest.py would be too late. DATABASE_URL and CACHE_URL are used if they
are set. Under pytest-xdist each worker is such a run; the process that distributes the tests needs no servers.
"""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Generator
from contextlib import ExitStack

import pytest
from typing_extensions import override
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from pushhub.embedded.cluster import EmbeddedCluster
from pushhub.embedded.services import is_set, servers_needed

MOST_WORKERS = 5  # each has its own servers and database
# The slowest files run first, so that no worker runs one of them alone at the end.
SLOWEST = [
    "tests/faults/test_faults.py",
    "tests/test_fuzz_api.py",
    "tests/devices/bulk/test_killed.py",
    "tests/test_tenancy_walk.py",
    "tests/pushhub/embedded/test_services.py",
    "tests/pushhub/embedded/test_run.py",
]
# These files use the fixture `service`. They run in one worker, so that they share one running service.
USE_THE_SERVICE = {
    "tests/docs/test_phones_page.py",
    "tests/docs/test_readme.py",
    "tests/pushhub/embedded/test_stage.py",
    "tests/pushhub/http/test_front_door.py",
}

private_cluster = pytest.StashKey[EmbeddedCluster | None]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    cluster = None
    options = early_config.known_args_namespace
    if distributes(options):
        return (yield from _without_placeholders())
    if servers_needed() and not (options.help or options.version):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that the servers are stopped
        stack = ExitStack()
        early_config.add_cleanup(stack.close)
        cluster = stack.enter_context(EmbeddedCluster.temporary(durable=False))
        os.environ.update({name: value for name, value in cluster.env().items() if not is_set(name)})
    early_config.stash[private_cluster] = cluster
    return (yield)


def _without_placeholders() -> Generator[None]:
    """Removes the placeholders again that the test settings put into the environment: workers would use them."""
    before = set(os.environ)
    result = yield
    for name in set(os.environ) - before - {"DJANGO_SETTINGS_MODULE"}:
        del os.environ[name]
    return result


def distributes(options: argparse.Namespace) -> bool:
    """Whether this process only distributes the tests to workers."""
    return workers(options) > 0 and "PYTEST_XDIST_WORKER" not in os.environ


def workers(options: argparse.Namespace) -> int:
    """The number of workers; 0 means that this process runs the tests, as for a single file."""
    if options.numprocesses != "auto":
        return options.numprocesses or 0
    if options.usepdb or (len(options.file_or_dir) == 1 and ".py" in options.file_or_dir[0]):
        return 0
    return min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)  # one more than processors, because tests often wait


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return workers(config.known_args_namespace)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return ServiceScheduling(config, log)


class ServiceScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """One worker runs all tests of a file, in their order. One worker runs all files that use the service."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "service" if file in USE_THE_SERVICE else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        ranks = {path: rank for rank, path in enumerate(SLOWEST)}
        items.sort(key=lambda item: ranks.get(item.location[0], len(ranks)))
