"""Imports and exports by the tenant's backend; the workers' part runs in the test's process."""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, cast
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from devices.bulk.services import jobs_step
from tenants.services import TenantCreated
from tests.devices.conftest import web_body
from tests.fixtures import bearer_client

NDJSON = "application/x-ndjson"


def line(**more: Any) -> dict[str, Any]:
    """A new browser's registration."""
    return {"device_id": str(uuid4()), **web_body(), **more}


def ndjson(lines: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in lines)


def jobs_run() -> None:
    while jobs_step(deadline=time.monotonic() + 60):
        pass


class Registry:
    """Calls of acme's backend."""

    def __init__(self, client: APIClient) -> None:
        self.client = client

    def send(self, body: bytes, media_type: str = NDJSON, query: str = "", **headers: str) -> Any:
        return self.client.generic("POST", f"/v1/devices:import{query}", cast(Any, body), media_type, headers=headers)

    def load(self, body: bytes, media_type: str = NDJSON, query: str = "") -> dict[str, Any]:
        """Import the file. The job when it has ended."""
        response = self.send(body, media_type, query)
        assert response.status_code == 202, response.content
        jobs_run()
        return self.job(response.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        response: dict[str, Any] = self.client.get(f"/v1/jobs/{job_id}").json()
        return response

    def errors(self, job: dict[str, Any]) -> list[tuple[int, str, str]]:
        """(line, code, pointer) of each report."""
        found = self.client.get(f"/v1/jobs/{job['id']}/errors").json()["data"]
        return [(item["line"], item["code"], item["pointer"]) for item in found]

    def export(self, body: dict[str, Any]) -> bytes:
        job = self.client.post("/v1/devices:export", body).json()
        jobs_run()
        result: Any = self.client.get(f"/v1/jobs/{job['id']}/result")
        return b"".join(result.streaming_content)


@pytest.fixture
def registry(acme: TenantCreated) -> Registry:
    return Registry(bearer_client(acme.server_key))


RegistryFor = Callable[[TenantCreated], Registry]


def counts(job: dict[str, Any]) -> dict[str, int]:
    """The counts of the progress that are not zero."""
    return {name: value for name, value in job["progress"].items() if value}
