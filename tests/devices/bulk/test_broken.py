"""A job that cannot continue ends, and blocks neither its tenant's other files nor other tenants' files."""

import time
from typing import Any, NoReturn

import pytest

from devices.bulk.log import logger
from devices.bulk.models import Job, JobChunk
from devices.bulk.services import committing, jobs_step, running
from devices.models import App, Device
from tenants.services import TenantCreated
from tenants.user_ids import user_id_fault
from tests.devices.bulk.conftest import Registry, counts, jobs_run, line, ndjson
from tests.devices.conftest import subscription
from tests.fixtures import bearer_client

SECRET = "s3cret-token"


def broken(**_: Any) -> NoReturn:
    raise ValueError(SECRET)


def leases_run_out() -> None:
    Job.objects.update(lease=None, lease_expires_at=None)


def steps(times: int) -> None:
    for _ in range(times):
        jobs_step(deadline=time.monotonic() + 60)
        leases_run_out()


def test_a_job_that_breaks_off_is_tried_again_and_then_ends(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "lines_apply", broken)
    job = registry.send(ndjson([line()])).json()["id"]
    states = []
    for _ in range(running.TRIES):
        states.append(registry.job(job)["state"])
        steps(1)
    assert states == ["queued", *["running"] * (running.TRIES - 1)]
    assert (registry.job(job)["state"], registry.job(job)["reason"][:15]) == ("failed", "An internal err")


def test_a_job_that_breaks_off_does_not_block_the_others(
    registry: Registry, globex: TenantCreated, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(committing, "lines_apply", broken)
        bad = registry.send(ndjson([line()])).json()["id"]
        jobs_step(deadline=time.monotonic() + 60)
    assert Registry(bearer_client(globex.server_key)).load(ndjson([line()]))["state"] == "completed"
    leases_run_out()
    jobs_run()
    assert registry.job(bad)["state"] == "completed"


def test_progress_resets_the_count_of_failed_tries(registry: Registry) -> None:
    job = registry.send(ndjson([line()])).json()["id"]
    Job.objects.update(options={"broken_off": [-1, running.TRIES - 1]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(committing, "lines_apply", broken)
        steps(1)
    jobs_run()
    assert registry.job(job)["state"] == "completed"


def test_the_log_has_the_error_and_its_place_and_nothing_of_the_file(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(committing, "lines_apply", broken)
    registry.send(ndjson([line()]))
    steps(1)
    [message] = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert message.startswith("a job broke off: ValueError at ")
    assert "test_broken.py" in message
    assert SECRET not in caplog.text


def test_an_unexpected_error_is_reported_for_its_line(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(user_id: str) -> str | None:
        return broken() if user_id == "bob" else user_id_fault(user_id)

    monkeypatch.setattr("devices.bulk.lines.user_id_fault", read)
    job = registry.load(ndjson(line(user_id=user_id) for user_id in ("alice", "bob", "carol")))
    assert counts(job) == {"done": 3, "total": 3, "created": 2, "failed": 1}
    assert registry.errors(job) == [(2, "internal", "")]


def test_a_number_with_many_digits_is_reported_for_its_line(registry: Registry) -> None:
    found = subscription()
    body = (
        "device_id,platform,subscription.endpoint,subscription.expirationTime,subscription.keys.p256dh,"
        f"subscription.keys.auth\n{line()['device_id']},web,{found['endpoint']},{'1' * 5000},{found['keys']['p256dh']},"
        f"{found['keys']['auth']}\n"
    )
    job = registry.load(body.encode(), "text/csv")
    assert registry.errors(job) == [(2, "subscription_invalid", "/subscription/expirationTime")]


def test_an_export_of_a_renamed_app_continues(registry: Registry) -> None:
    registry.load(ndjson([line()]))
    job = registry.client.post("/v1/devices:export", {"app": "web"}).json()["id"]
    registry.client.patch("/v1/apps/web", {"name": "browsers"})
    jobs_run()
    assert (registry.job(job)["state"], registry.job(job)["progress"]["done"]) == ("completed", 1)


def test_an_export_of_a_deleted_app_fails(registry: Registry) -> None:
    job = registry.client.post("/v1/devices:export", {"app": "web"}).json()["id"]
    App.objects.all().delete()
    jobs_run()
    assert (registry.job(job)["state"], registry.job(job)["reason"]) == ("failed", "No such app.")


def test_an_export_names_the_device_that_cannot_be_opened(registry: Registry) -> None:
    one = line()
    registry.load(ndjson([one, line()]))
    Device.objects.filter(device_id=one["device_id"]).update(endpoint_sealed=b"gone\0sealed")
    job = registry.client.post("/v1/devices:export", {"secrets": True}).json()["id"]
    jobs_run()
    assert registry.job(job)["state"] == "failed"
    assert one["device_id"] in registry.job(job)["reason"]


def test_a_device_that_cannot_be_opened_is_reported_for_its_line(registry: Registry) -> None:
    found = [line(user_id="alice") for _ in range(3)]
    registry.load(ndjson(found))
    Device.objects.filter(device_id=found[1]["device_id"]).update(endpoint_sealed=b"gone\0sealed")
    job = registry.load(ndjson(item | {"user_id": "bob"} for item in found))
    assert counts(job) == {"done": 3, "total": 3, "updated": 2, "failed": 1}
    assert registry.errors(job) == [(2, "internal", "")]


def test_a_file_that_cannot_be_opened_fails(registry: Registry) -> None:
    job = registry.send(ndjson([line()])).json()["id"]
    JobChunk.objects.update(data_sealed=b"gone\0sealed")
    jobs_run()
    assert (registry.job(job)["state"], registry.job(job)["reason"][:27]) == ("failed", "The file cannot be opened: ")
