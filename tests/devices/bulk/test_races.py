"""An import runs concurrently with registrations, erasures and other workers, on separate connections."""

import time
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection

from devices.bulk import batches
from devices.bulk.models import Job
from devices.bulk.services import applying, committing, jobs_step
from devices.bulk.services.leases import LeasedJob
from devices.models import Device
from tenants.erasure import end_user_erase
from tenants.models import EndUser
from tenants.services import TenantCreated
from tests.devices.builders import at_once, register
from tests.devices.bulk.conftest import Registry, counts, jobs_run, line, ndjson
from tests.devices.conftest import subscription

pytestmark = pytest.mark.django_db(transaction=True)

LINES = 200


def load_during(registry: Registry, body: bytes, other: Any) -> dict[str, Any]:
    """Import the file while `other()` runs. The job when it has ended."""
    job = registry.send(body).json()
    found = at_once(2, lambda number: jobs_run() if number else other())
    assert not [item for item in found if isinstance(item, Exception)], found
    jobs_run()
    return registry.job(job["id"])


def test_the_same_new_devices_are_registered_during_the_import(registry: Registry, acme: TenantCreated) -> None:
    lines = [line(user_id="alice") for _ in range(LINES)]

    def puts() -> None:
        for item in lines[::-1]:
            register(acme, UUID(item["device_id"]), user="bob", subscription=item["subscription"])

    job = load_during(registry, ndjson(lines), puts)
    assert counts(job)["done"] == LINES
    assert "failed" not in counts(job)
    assert Device.objects.filter(deleted_at=None).count() == Device.objects.count() == LINES


def test_other_devices_register_the_same_tokens_during_the_import(registry: Registry, acme: TenantCreated) -> None:
    lines = [line() for _ in range(LINES)]

    def puts() -> None:
        for item in lines[::-1]:
            register(acme, UUID(line()["device_id"]), subscription=item["subscription"])

    job = load_during(registry, ndjson(lines), puts)
    assert "failed" not in counts(job)
    assert Device.objects.filter(deleted_at=None).count() == LINES


def test_known_devices_register_new_subscriptions_during_the_import(registry: Registry, acme: TenantCreated) -> None:
    lines = [line() for _ in range(LINES)]
    registry.load(ndjson(lines))
    renewed = [item | {"subscription": subscription()} for item in lines]

    def puts() -> None:
        for item in lines[::-1]:
            register(acme, UUID(item["device_id"]), subscription=subscription())

    job = load_during(registry, ndjson(renewed), puts)
    assert counts(job) == {"done": LINES, "total": LINES, "updated": LINES}
    assert set(Device.objects.values_list("token_version", flat=True)) == {3}


def test_its_users_are_erased_during_the_import(registry: Registry, acme: TenantCreated) -> None:
    lines = [line(user_id=f"user-{number % 5}") for number in range(LINES)]

    def erasures() -> None:
        for number in range(20):
            end_user_erase(tenant=acme.tenant, user_id=f"user-{number % 5}")

    job = load_during(registry, ndjson(lines), erasures)
    assert counts(job) == {"done": LINES, "total": LINES, "created": LINES}
    assert not Device.objects.filter(deleted_at=None, user=None).exists()


def test_two_workers_import_the_files_of_one_tenant(registry: Registry, acme: TenantCreated) -> None:
    lines = [line(user_id=f"user-{number}") for number in range(LINES)]
    jobs = [registry.send(ndjson(lines[start:])).json()["id"] for start in (0, 100)]
    at_once(2, lambda _: jobs_run())
    assert [registry.job(job_id)["state"] for job_id in jobs] == ["completed"] * 2
    assert (Device.objects.count(), EndUser.objects.count()) == (LINES, LINES)


def test_a_worker_that_lost_its_lease_writes_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.send(ndjson([line()]))
    renew = LeasedJob.renew

    def stolen(leased: LeasedJob) -> None:
        Job.objects.update(lease=uuid4())
        renew(leased)

    monkeypatch.setattr(LeasedJob, "renew", stolen)
    jobs_step(deadline=time.monotonic() + 5)
    assert not Device.objects.exists()
    assert Job.objects.values_list("state", "done").get() == ("running", 0)


def test_a_set_that_always_conflicts_is_applied_line_by_line(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(**_: Any) -> Any:
        raise applying.SetConflict

    monkeypatch.setattr(committing, "lines_apply", never)
    job = registry.load(ndjson(line() for _ in range(3)))
    assert counts(job) == {"done": 3, "total": 3, "created": 3}


def test_an_error_of_the_database_is_reported_for_its_line(registry: Registry) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE devices_device ADD CONSTRAINT no_latin CHECK (locale <> 'la')")
    try:
        job = registry.load(ndjson([line(), line(locale="la"), line()]))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE devices_device DROP CONSTRAINT no_latin")
    assert counts(job) == {"done": 3, "total": 3, "created": 2, "failed": 1}
    assert registry.errors(job) == [(2, "internal", "")]


def test_a_commit_whose_response_is_lost_is_not_repeated(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 5)
    job = registry.send(ndjson(line() for _ in range(20))).json()
    apply, commit = applying.lines_apply, connection.commit

    def response_lost() -> None:
        commit()
        monkeypatch.undo()
        connection.connection.close()
        raise OperationalError("server closed the connection unexpectedly")

    def applied(**lines: Any) -> applying.Counts:
        monkeypatch.setattr(connection, "commit", response_lost)
        return apply(**lines)

    monkeypatch.setattr(committing, "lines_apply", applied)
    jobs_step(deadline=time.monotonic() + 5)
    Job.objects.update(lease=None)  # as if it had run out
    jobs_run()
    assert counts(registry.job(job["id"])) == {"done": 20, "total": 20, "created": 20}


def test_the_next_slice_continues_where_the_last_one_ended(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 3)
    job = registry.send(ndjson(line() for _ in range(10))).json()
    done = []
    while jobs_step(deadline=time.monotonic()):
        done.append(counts(registry.job(job["id"])).get("done"))
    assert Counter(done)[3] == 1
    assert done[:4] == [3, 6, 9, 10]
    assert Device.objects.count() == 10
