from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from celery.app.utils import find_app
from celery.signals import worker_init

from pushhub.workers.celery import GC_THRESHOLD, app


@pytest.fixture
def _garbage_collection() -> Iterator[None]:
    """Restores the garbage collection of this process, which is no worker."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("_garbage_collection")
def test_a_worker_excludes_loaded_objects_from_garbage_collection() -> None:
    worker_init.send(sender=None)
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == GC_THRESHOLD


@pytest.mark.parametrize("name", ["pushhub", "pushhub.celery", "pushhub.workers.celery"])
def test_service_units_can_name_the_app(name: str) -> None:
    assert find_app(name) is app


def test_task_names_are_those_of_messages_that_are_in_a_broker_already() -> None:
    """After an upgrade a worker may receive a message from before it. A renamed task needs its old name too."""
    app.loader.import_default_modules()
    assert {name for name in app.tasks if name.partition(".")[0] not in {"celery", "test"}} == {
        "avatars.tasks.avatars_upkeep",
        "avatars.tasks.subscriptions_confirm",
        "avatars.tasks.sweep_run",
        "avatars.tasks.workflow_run",
        "devices.bulk.tasks.jobs_run",
        "devices.bulk.tasks.jobs_upkeep",
        "devices.tasks.apps_verify",
        "devices.tasks.devices_upkeep",
        "devices.tasks.provision_run",
        "devices.tasks.subscriptions_confirm",
        "events.tasks.events_upkeep",
        "notifications.tasks.dispatch",
        "notifications.tasks.expand",
        "notifications.tasks.minutes",
        "notifications.tasks.second",
    }
