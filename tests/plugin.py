"""Give every test run PostgreSQL and Valkey of its own, before pytest-django reads the settings.

Loaded by `-p` in pyproject.toml: a conftest.py would be too late. DATABASE_URL and CACHE_URL are used when set.
Under pytest-xdist each worker is such a run; the process that hands the tests out needs no server.
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

MOST_WORKERS = 5  # each has servers and a database of its own
# They take longest and go first, so that no worker is left alone with one of them at the end.
FIRST = [
    "tests/faults/test_faults.py",
    "tests/test_fuzz_api.py",
    "tests/devices/bulk/test_killed.py",
    "tests/test_tenancy_walk.py",
    "tests/pushhub/embedded/test_services.py",
    "tests/pushhub/embedded/test_run.py",
]
# Whoever of them is not named here starts a service of its own.
LOOK_AT_THE_SERVICE = {
    "tests/docs/test_phones_page.py",
    "tests/docs/test_readme.py",
    "tests/pushhub/embedded/test_stage.py",
    "tests/pushhub/http/test_reception.py",
}

private_cluster = pytest.StashKey[EmbeddedCluster | None]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    cluster = None
    asked = early_config.known_args_namespace
    if hands_out(asked):
        return (yield from _without_placeholders())
    if servers_needed() and not (asked.help or asked.version):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: stop the servers on the way out
        stack = ExitStack()
        early_config.add_cleanup(stack.close)
        cluster = stack.enter_context(EmbeddedCluster.temporary(durable=False))
        os.environ.update({name: value for name, value in cluster.env().items() if not is_set(name)})
    early_config.stash[private_cluster] = cluster
    return (yield)


def _without_placeholders() -> Generator[None]:
    """The settings invent what the environment lacks, enough to load them here: no worker may take it for given."""
    before = set(os.environ)
    answer = yield
    for name in set(os.environ) - before - {"DJANGO_SETTINGS_MODULE"}:
        del os.environ[name]
    return answer


def hands_out(asked: argparse.Namespace) -> bool:
    """Whether this process runs no test itself."""
    return workers(asked) > 0 and "PYTEST_XDIST_WORKER" not in os.environ


def workers(asked: argparse.Namespace) -> int:
    """How many share the tests; 0: this process runs them. A single file is not worth a second set of servers."""
    if asked.numprocesses != "auto":
        return asked.numprocesses or 0
    if asked.usepdb or (len(asked.file_or_dir) == 1 and ".py" in asked.file_or_dir[0]):
        return 0
    return min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)  # one more than can run: half the time a test waits


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return workers(config.known_args_namespace)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return Together(config, log)


class Together(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A file stays with one worker, in its order; so do all files that look at the one running service."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "service" if file in LOOK_AT_THE_SERVICE else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        ranks = {path: rank for rank, path in enumerate(FIRST)}
        items.sort(key=lambda item: ranks.get(item.location[0], len(ranks)))
