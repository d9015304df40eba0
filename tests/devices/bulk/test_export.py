"""Devices are exported to a file, and imported from it by another tenant."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from devices.bulk.models import Job, JobChunk
from devices.bulk.services import exporting, jobs_expire
from devices.models import Device, VapidKey
from pushhub.http.docs import schema
from tenants.services import TenantCreated
from tests.devices.bulk.conftest import Registry, counts, jobs_run, line, ndjson
from tests.fixtures import ClientFor, bearer_client


def lines_of(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(item) for item in body.splitlines()]


def test_a_get_creates_no_job(registry: Registry) -> None:
    response = registry.client.get("/v1/devices:export")
    assert (response.status_code, response["Allow"]) == (405, "POST")


def test_an_exported_line_is_the_body_of_a_get(registry: Registry) -> None:
    one = line(user_id="alice", attributes={"plan": "pro"})
    registry.load(ndjson([one]))
    [shown] = lines_of(registry.export({}))
    assert shown == registry.client.get(f"/v1/devices/{one['device_id']}").json()


def test_an_export_without_secrets_has_none(registry: Registry) -> None:
    one = line()
    registry.load(ndjson([one]))
    body = registry.export({}).decode()
    assert one["subscription"]["endpoint"] not in body
    assert one["subscription"]["keys"]["auth"] not in body


def test_an_export_with_secrets_can_be_imported(registry: Registry, globex: TenantCreated) -> None:
    registry.load(ndjson(line(user_id=f"user-{number}", tags=["b"]) for number in range(3)))
    body = registry.export({"secrets": True})
    assert counts(registry.load(body)) == {"done": 3, "total": 3, "unchanged": 3}
    moved = b"".join(
        json.dumps({name: value for name, value in item.items() if name != "application_server_key"}).encode() + b"\n"
        for item in lines_of(body)
    )
    assert counts(Registry(bearer_client(globex.server_key)).load(moved))["created"] == 3


@pytest.mark.parametrize("secrets", [False, True])
def test_a_result_does_not_contain_erased_people(registry: Registry, secrets: bool) -> None:
    registry.load(ndjson(line(user_id=user_id) for user_id in ("alice", "bob", None)))
    job = registry.client.post("/v1/devices:export", {"secrets": secrets}).json()
    jobs_run()
    registry.client.delete("/v1/users/alice")
    result: Any = registry.client.get(f"/v1/jobs/{job['id']}/result")
    assert [item["user_id"] for item in lines_of(b"".join(result.streaming_content))] == ["bob", None]


def test_an_export_names_the_key_of_a_subscription(registry: Registry) -> None:
    registry.load(ndjson([line()]))
    [shown] = lines_of(registry.export({"secrets": True}))
    assert shown["application_server_key"] == VapidKey.objects.get(tenant=Device.objects.get().tenant).public_key


def test_an_export_is_filtered(registry: Registry) -> None:
    registry.load(ndjson([line(user_id="alice"), line(user_id="bob")]))
    assert [item["user_id"] for item in lines_of(registry.export({"user_id": "bob"}))] == ["bob"]
    assert registry.client.post("/v1/devices:export", {"app": "none"}).status_code == 404
    assert "404" in schema()["paths"]["/v1/devices:export"]["post"]["responses"]


def test_a_large_export_is_written_in_chunks(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "ROWS", 2)
    registry.load(ndjson(line() for _ in range(5)))
    assert len(lines_of(registry.export({}))) == 5
    assert JobChunk.objects.count() == 3


def test_a_result_is_available_at_the_end_and_expires(registry: Registry) -> None:
    job = registry.client.post("/v1/devices:export", {}).json()
    address = f"/v1/jobs/{job['id']}/result"
    assert registry.client.get(address).status_code == 409
    jobs_run()
    assert registry.client.get(address).getvalue() == b""
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    jobs_expire()
    assert registry.client.get(address).status_code == 404
    assert not JobChunk.objects.exists()


def test_a_result_with_secrets_requires_both_scopes(
    registry: Registry, acme: TenantCreated, client_for: ClientFor
) -> None:
    job = registry.client.post("/v1/devices:export", {"secrets": True}).json()
    jobs_run()
    reader = client_for(acme, ["devices:read"])
    assert reader.get(f"/v1/jobs/{job['id']}/result").json()["code"] == "scope_missing"


def test_an_import_has_no_result(registry: Registry) -> None:
    assert registry.client.get(f"/v1/jobs/{registry.load(b'')['id']}/result").status_code == 404


def test_the_results_media_type_is_acceptable(registry: Registry) -> None:
    job = registry.client.post("/v1/devices:export", {}).json()
    jobs_run()
    response = registry.client.get(f"/v1/jobs/{job['id']}/result", headers={"Accept": "application/x-ndjson"})
    assert (response.getvalue(), response["Content-Type"]) == (b"", "application/x-ndjson")
