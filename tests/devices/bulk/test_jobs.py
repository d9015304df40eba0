"""A job as API clients see it: progress, reports, cancelling, limits, and its tenant."""

import gzip
import time
from datetime import timedelta
from socket import gethostname
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIRequestFactory

from devices.bulk import batches, body, sql, tasks
from devices.bulk.lines import LineSerializer
from devices.bulk.models import Job, JobChunk, JobError
from devices.bulk.services import committing, import_receive, jobs_expire, jobs_step, uploading
from devices.models import Device
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller
from tenants.services import TenantCreated
from tests.devices.bulk.conftest import NDJSON, Registry, counts, jobs_run, line, ndjson
from tests.fixtures import ClientFor, bearer_client


def test_a_file_is_accepted_before_it_is_imported(registry: Registry) -> None:
    response = registry.send(ndjson([line(), {}]))
    assert (response.status_code, response["Location"]) == (202, f"/v1/jobs/{response.json()['id']}")
    assert response.json()["state"] == "queued"
    assert counts(response.json()) == {"total": 2}


def test_the_stored_file_is_sealed_and_deleted_at_the_end(registry: Registry) -> None:
    one = line()
    registry.send(ndjson([one]))
    spooled = bytes(JobChunk.objects.get().data_sealed)
    assert one["subscription"]["endpoint"].encode() not in spooled
    jobs_run()
    assert not JobChunk.objects.exists()


def test_reports_have_pages(registry: Registry) -> None:
    job = registry.load(b"{\n" * 5)
    address = f"/v1/jobs/{job['id']}/errors"
    first = registry.client.get(f"{address}?limit=3").json()
    rest = registry.client.get(f"{address}?limit=3&cursor={first['next']}").json()
    assert [item["line"] for item in first["data"] + rest["data"]] == [1, 2, 3, 4, 5]
    assert rest["next"] is None


SECRET = "8d2915f0" * 8


@pytest.mark.parametrize("value", [SECRET, [SECRET], {"x": SECRET}, {SECRET: 1}, [[SECRET]]])
def test_reports_repeat_no_secret(registry: Registry, value: Any) -> None:
    members = [line(**{str(name): value}) for name in LineSerializer().fields]
    subscriptions = [line() | {"subscription": line()["subscription"] | {name: value}} for name in ("endpoint", "keys")]
    keys = [
        line() | {"subscription": {"endpoint": "https://x.example", "keys": {name: value}}}
        for name in ("p256dh", "auth")
    ]
    endpoints = [{"ChannelType": value}, {"ChannelType": "GCM", "Address": value, "Id": value, "User": value}]
    registry.load(ndjson([*members, *subscriptions, *keys, *endpoints]))
    assert JobError.objects.count() > 10
    assert not JobError.objects.filter(Q(detail__contains=SECRET) | Q(pointer__contains=SECRET)).exists()


def test_reports_of_swapped_columns_repeat_no_secret(registry: Registry) -> None:
    body = f"device_id,platform,token\n{line()['device_id']},{SECRET},ios\n{SECRET},ios,web\n"
    registry.load(body.encode(), "text/csv")
    assert set(JobError.objects.values_list("detail", flat=True)) == {"Not a known platform.", "Must be a UUID."}


def test_reports_are_limited_and_counts_are_not(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "REPORTS_KEPT", 10)
    monkeypatch.setattr(batches, "BATCH", 10)
    job = registry.load(b"{\n" * 35)
    assert (counts(job)["failed"], JobError.objects.count()) == (35, 10)


def test_jobs_are_listed_newest_first(registry: Registry) -> None:
    ids = [registry.send(b"").json()["id"] for _ in range(2)]
    assert [job["id"] for job in registry.client.get("/v1/jobs").json()["data"]] == ids[::-1]


def test_a_cancelled_job_stops(registry: Registry) -> None:
    job = registry.send(ndjson([line()])).json()
    response = registry.client.post(f"/v1/jobs/{job['id']}:cancel")
    assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    jobs_run()
    assert not Device.objects.exists()
    assert not JobChunk.objects.exists()


def test_a_job_that_is_cancelled_while_running_keeps_what_is_written(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)
    job = registry.send(ndjson(line() for _ in range(6))).json()
    jobs_step(deadline=time.monotonic())
    registry.client.post(f"/v1/jobs/{job['id']}:cancel")
    jobs_run()
    assert (Device.objects.count(), counts(registry.job(job["id"]))["done"]) == (2, 2)


def test_a_job_that_has_ended_cannot_be_cancelled(registry: Registry) -> None:
    job = registry.load(b"")
    assert registry.client.post(f"/v1/jobs/{job['id']}:cancel").status_code == 409


def test_another_tenants_job_is_not_found(registry: Registry, globex: TenantCreated) -> None:
    job = registry.load(b"{}")
    other = bearer_client(globex.server_key)
    address = f"/v1/jobs/{job['id']}"
    responses = [other.get(address + end) for end in ("", "/errors", "/result")] + [other.post(f"{address}:cancel")]
    assert [response.status_code for response in responses] == [404] * 4
    assert other.get("/v1/jobs").json()["data"] == []


def test_files_of_two_tenants_are_separate(registry: Registry, globex: TenantCreated) -> None:
    one = line()
    other = Registry(bearer_client(globex.server_key))
    for each in (registry, other):
        each.load(ndjson([one]))
    assert Device.objects.filter(device_id=one["device_id"], deleted_at=None).count() == 2


@pytest.mark.parametrize("job_id", ["9b2f6c1e-4a53-4a2f-9f0e-0c1d2e3f4a5b", "none"])
def test_an_unknown_job_is_not_found(registry: Registry, job_id: str) -> None:
    assert registry.client.get(f"/v1/jobs/{job_id}").status_code == 404


def test_each_route_requires_its_scope(acme: TenantCreated, client_for: ClientFor) -> None:
    reader = client_for(acme, ["devices:read"])
    writer = client_for(acme, ["devices:write"])
    assert reader.generic("POST", "/v1/devices:import", "", NDJSON).status_code == 403
    assert writer.post("/v1/devices:export", {}).status_code == 403
    assert reader.post("/v1/devices:export", {"secrets": True}).json()["code"] == "scope_missing"
    assert reader.post("/v1/devices:export", {}).status_code == 202


def test_user_tokens_cannot_import_or_export(acme: TenantCreated, user_client: ClientFor) -> None:
    alice = user_client(acme, "alice")
    assert alice.generic("POST", "/v1/devices:import", "", NDJSON).status_code == 403
    assert alice.get("/v1/jobs").status_code == 403


def test_the_same_idempotency_key_makes_one_job(registry: Registry) -> None:
    body = ndjson([line()])
    first, again = (registry.send(body, **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")
    assert registry.send(body + b"\n", **{"Idempotency-Key": "k1"}).json()["code"] == "idempotency_mismatch"
    assert Job.objects.count() == JobChunk.objects.count() == 1


@pytest.mark.parametrize("media_type", ["application/json", "", "text/html"])
def test_other_media_types_are_refused(registry: Registry, media_type: str) -> None:
    assert registry.send(b"{}", media_type).status_code == 415


def test_a_file_may_be_larger_than_other_bodies_up_to_a_limit(registry: Registry, settings: Settings) -> None:
    big = b" " * 100 + b"\n"
    assert registry.send(big * 20_000).status_code == 202
    settings.PUSHHUB_IMPORT_MAX_BYTES = 1_000
    assert registry.send(big * 20).json()["code"] == "too_large"
    assert not Job.objects.filter(state="uploading").exists()


def test_the_limit_counts_unpacked_bytes(registry: Registry, settings: Settings) -> None:
    settings.PUSHHUB_IMPORT_MAX_BYTES = 100_000
    assert registry.send(gzip.compress(b"\n" * 1_000_000)).json()["code"] == "too_large"


@pytest.mark.parametrize(("count", "status"), [(8, 202), (9, 413)])
def test_the_number_of_lines_is_limited(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, count: int, status: int
) -> None:
    monkeypatch.setattr(uploading, "MAX_LINES", 8)
    assert registry.send(gzip.compress(b"\n" * count)).status_code == status


def test_a_file_that_takes_too_long_to_unpack_is_refused(acme: TenantCreated, settings: Settings) -> None:
    settings.PUSHHUB_UPLOAD_SECONDS = -1
    caller = Caller(acme.tenant, "server_key", "backend")
    packed = iter([gzip.compress(ndjson([line()]))])
    with pytest.raises(ApiError, match="takes longer"):
        import_receive(tenant=acme.tenant, caller=caller, format="ndjson", app="", blocks=packed)


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: packed + b"more"])
def test_damaged_gzip_is_refused(registry: Registry, damage: Any) -> None:
    assert registry.send(damage(gzip.compress(ndjson([line()])))).json()["code"] == "malformed"
    assert not Job.objects.exists()


def test_the_number_of_open_jobs_is_limited(registry: Registry, settings: Settings) -> None:
    settings.PUSHHUB_JOBS_PER_TENANT = 1
    registry.send(b"")
    assert registry.send(b"").json()["code"] == "rate_limited"
    jobs_run()
    assert registry.send(b"").status_code == 202


def test_slow_uploads_of_one_tenant_do_not_block_others(
    registry: Registry, acme: TenantCreated, globex: TenantCreated
) -> None:
    coming = [Job(tenant=acme.tenant, kind="import", state="uploading") for _ in range(2)]
    Job.objects.bulk_create(coming)
    assert registry.send(b"").json()["code"] == "rate_limited"
    assert Registry(bearer_client(globex.server_key)).send(b"").status_code == 202
    Job.objects.filter(id=coming[0].id).update(created_at=timezone.now() - timedelta(minutes=11))
    assert registry.send(b"").status_code == 202


class Source:
    """The input of an upload. At its end it raises `error`, or the body has ended."""

    def __init__(self, *blocks: bytes, error: OSError | None = None) -> None:
        self._blocks = list(blocks)
        self._error = error

    def read(self, _size: int) -> bytes:
        if self._error and not self._blocks:
            raise self._error
        return self._blocks.pop(0) if self._blocks else b""


def request_of(source: Source, length: int | None) -> WSGIRequest:
    request = APIRequestFactory().generic("POST", "/v1/devices:import", "")
    assert isinstance(request, WSGIRequest)
    request.META |= {"wsgi.input": source, "wsgi.input_terminated": True}
    request.META["CONTENT_LENGTH"] = "" if length is None else str(length)
    return request


def test_a_chunked_body_is_limited(settings: Settings) -> None:
    settings.PUSHHUB_IMPORT_MAX_BYTES = 5
    with pytest.raises(ApiError, match="at most"):
        list(body.body_blocks(request_of(Source(b"one", b"two"), None)))


def test_a_chunked_body_is_read_completely() -> None:
    assert list(body.body_blocks(request_of(Source(b"one", b"two"), None))) == [b"one", b"two"]


@pytest.mark.parametrize("length", ["-1", "x"])
def test_an_invalid_content_length_is_refused(length: str) -> None:
    request = request_of(Source(), None)
    request.META["CONTENT_LENGTH"] = length
    with pytest.raises(ApiError, match="number"):
        list(body.body_blocks(request))


def test_a_body_that_ends_early_is_refused() -> None:
    with pytest.raises(ApiError, match="early"):
        list(body.body_blocks(request_of(Source(b"one"), 6)))


@pytest.mark.parametrize(
    ("error", "code"), [(TimeoutError(), "REQUEST_TIMEOUT"), (ConnectionAbortedError(), "MALFORMED")]
)
def test_an_upload_ends_when_its_client_is_slow_or_disconnects(error: OSError, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        list(body.body_blocks(request_of(Source(b"one", error=error), 6)))
    assert refused.value.code is ErrorCode[code]


def test_a_body_that_arrives_too_slowly_is_refused(settings: Settings) -> None:
    settings.PUSHHUB_UPLOAD_SECONDS = 0
    with pytest.raises(ApiError, match="slowly"):
        list(body.body_blocks(request_of(Source(*[b"x"] * 1000), 5000)))


def test_old_jobs_and_results_are_deleted(registry: Registry) -> None:
    old = registry.load(b"")["id"]
    young = registry.load(b"")["id"]
    Job.objects.filter(id=old).update(created_at=timezone.now() - timedelta(days=31))
    tenant = Job.objects.get(id=young).tenant
    left = Job.objects.create(tenant=tenant, kind="import", state="uploading")
    Job.objects.filter(id=left.id).update(created_at=timezone.now() - timedelta(hours=2))
    jobs_expire()
    assert [str(job.id) for job in Job.objects.all()] == [young]


def test_the_tenant_that_waited_longest_is_next(registry: Registry, globex: TenantCreated) -> None:
    other = Registry(bearer_client(globex.server_key))
    mine = [registry.send(ndjson([line()])).json()["id"] for _ in range(3)]
    theirs = other.send(ndjson([line()])).json()["id"]
    served = []
    for _ in range(3):
        jobs_step(deadline=time.monotonic() + 60)
        served.append(str(Job.objects.order_by("-served_at").exclude(served_at=None)[0].id))
    assert served == [mine[0], theirs, mine[1]]


@pytest.mark.django_db(transaction=True)
def test_jobs_take_no_more_than_a_hosts_slots(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "SLOTS", 1)
    job = registry.send(ndjson([line()])).json()["id"]
    with connection.cursor() as cursor:
        assert sql.host_slot_take(cursor, host=gethostname(), slots=1)
        tasks.jobs_run.run()
        assert registry.job(job)["state"] == "queued"
        cursor.execute("SELECT pg_advisory_unlock_all()")
    tasks.jobs_run.run()
    assert registry.job(job)["state"] == "completed"


@pytest.mark.django_db(transaction=True)
def test_a_slot_is_free_before_the_next_worker_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "SLOTS", 1)
    monkeypatch.setattr(
        tasks, "connections", SimpleNamespace(close_all=lambda: None)
    )  # as if PostgreSQL ended the session late
    assert tasks.steps_run(time.monotonic()) is True
    with psycopg.connect(**connection.get_connection_params()) as other:
        lock = "SELECT pg_try_advisory_lock(hashtext(%s), 0)"
        assert other.execute(lock, [f"devices.bulk {gethostname()}"]).fetchone() == (True,)
