"""A worker is killed at any moment: another worker does the step, with the same result and no object left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from avatars import tasks
from avatars.models import Avatar, StoredObject, TimelineEntry
from avatars.states import AvatarState, WorkflowStep
from avatars.storage.local import LocalStorage
from avatars.workflow import saga
from avatars.workflow.retry import MAX_LOST_LEASES
from events.models import Event
from notifications.models import Notification
from tests.avatars.core.builders import leases_end, objects, picture, public, sweep, time_passes, upload, work

pytestmark = pytest.mark.django_db(transaction=True)
SCRIPT = Path(__file__).with_name("kill_at.py")
MOMENTS = [(step, moment) for step in WorkflowStep if step for moment in ("before", "after", "settled")]


@pytest.mark.parametrize(("step", "moment"), MOMENTS)
def test_a_killed_workers_step_is_done_by_another(
    alice: APIClient, store: LocalStorage, settings: Any, step: str, moment: str
) -> None:
    avatar_id = upload(alice, picture("lime"))
    assert killed(settings, step, moment)
    leases_end()
    work()
    sweep()
    assert Avatar.objects.get(id=avatar_id).state == AvatarState.APPROVED
    assert len(public(store)) == 8
    assert len(objects(store)) == 9  # eight thumbnails and the master
    assert Notification.objects.count() == Event.objects.filter(type="avatar.approved").count() == 1


def test_the_timeline_says_that_a_step_was_lost(alice: APIClient, settings: Any) -> None:
    avatar_id = upload(alice, picture("lime"))
    assert killed(settings, "moderate", "after")
    leases_end()
    work()
    entries = TimelineEntry.objects.filter(avatar_id=avatar_id, what="moderate").order_by("id")
    assert [(one.outcome, one.attempt) for one in entries] == [("lost", 1), ("", 2)]
    assert entries[0].detail == "the worker's lease ran out; the step was claimed again"


def test_many_uploads_do_not_delay_the_sweep(
    alice: APIClient, store: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(alice, picture("lime")), upload(alice, picture("green"))
    assert len(objects(store)) == 2
    monkeypatch.setattr(tasks, "RUN_SECONDS", 0.0)
    tasks.workflow_run()
    assert Avatar.objects.filter(due_at__isnull=False).count() == 2
    assert sorted(key.split("/")[0] for key in objects(store)) == ["masters", "uploads"]


def test_a_person_is_erased_while_a_worker_dies(
    alice: APIClient, backend: APIClient, store: LocalStorage, settings: Any
) -> None:
    upload(alice, picture("lime"))
    assert killed(settings, "thumbnails", "after")
    assert public(store)
    backend.delete("/v1/users/alice")
    sweep()
    assert objects(store) == []
    assert StoredObject.objects.filter(keep_until__isnull=False).exists()  # swept once more when the lease has run out


def test_a_person_is_erased_during_a_step(
    alice: APIClient, backend: APIClient, store: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(alice, picture("lime"))
    real = LocalStorage.put

    def put_late(self: LocalStorage, key: str, data: bytes, **options: Any) -> None:
        if key.startswith("masters/"):
            backend.delete("/v1/users/alice")
            sweep()
        real(self, key, data, **options)

    monkeypatch.setattr(LocalStorage, "put", put_late)
    work()
    assert [key.split("/")[0] for key in objects(store)] == ["masters"]
    time_passes()
    sweep()
    assert (objects(store), StoredObject.objects.count()) == ([], 0)


def test_a_picture_that_kills_every_worker_fails(alice: APIClient) -> None:
    avatar_id = upload(alice, picture("lime"))
    for _ in range(MAX_LOST_LEASES + 1):
        claim_and_die()
    work()
    found = Avatar.objects.get(id=avatar_id)
    assert (found.state, found.reason) == ("failed", "steps_exhausted")


def test_two_workers_never_have_the_same_avatar(alice: APIClient) -> None:
    upload(alice, picture("lime"))
    claimed: list[UUID] = []
    real = saga.STEPS[WorkflowStep.NORMALISE]

    def slow(avatar: Any) -> Any:
        claimed.append(avatar.id)
        assert not in_thread(saga.WORKFLOW.step)
        return real(avatar)

    saga.STEPS[WorkflowStep.NORMALISE] = slow
    try:
        work()
    finally:
        saga.STEPS[WorkflowStep.NORMALISE] = real
    assert len(claimed) == 1


def test_the_result_of_a_lost_lease_is_dropped(alice: APIClient) -> None:
    avatar_id = upload(alice, picture("lime"))
    real = saga.STEPS[WorkflowStep.NORMALISE]

    def stalled(avatar: Any) -> Any:
        settle = real(avatar)
        leases_end()
        saga.STEPS[WorkflowStep.NORMALISE] = real
        in_thread(saga.WORKFLOW.step)
        return settle

    saga.STEPS[WorkflowStep.NORMALISE] = stalled
    try:
        saga.WORKFLOW.step()
    finally:
        saga.STEPS[WorkflowStep.NORMALISE] = real
    assert Avatar.objects.get(id=avatar_id).step == WorkflowStep.MODERATE
    assert Avatar.objects.get(id=avatar_id).timeline.filter(what="moderating").count() == 1


def test_of_two_concurrent_uploads_the_newer_is_shown(alice: APIClient, store: LocalStorage) -> None:
    upload(alice, picture("lime"))
    newer = upload(alice, picture("green"))
    threads = [Thread(target=closing(work)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    sweep()
    assert alice.get("/v1/users/alice").json()["picture"]["avatar_id"] == str(newer)
    assert all(str(newer) in key for key in objects(store))


def killed(settings: Any, step: str, moment: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "tests.avatars.core.kill_at", step, moment],
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "AVATAR_LOCAL_DIR": str(settings.AVATAR_LOCAL_DIR),
            "AVATAR_ENGINE": "stub",
        },
        timeout=60,
    )
    return done.returncode == -signal.SIGKILL


def database_url() -> str:
    given = connection.settings_dict
    return f"postgresql://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"


def claim_and_die() -> None:
    from datetime import timedelta

    from avatars import sql

    with connection.cursor() as cursor:
        assert sql.avatar_claim(cursor, lease=timedelta(minutes=1))
    leases_end()


def in_thread(function: Any) -> Any:
    responses: list[Any] = []
    thread = Thread(target=closing(lambda: responses.append(function())))
    thread.start()
    thread.join()
    return responses[0]


def closing(function: Any) -> Any:
    def run() -> None:
        try:
            function()
        finally:
            connections.close_all()

    return run
