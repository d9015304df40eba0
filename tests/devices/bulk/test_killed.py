"""A worker is killed in the middle of a file: another one continues at the line that was reached."""

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from pushhub.embedded.stage import Stage, stage
from tests.devices.bulk.conftest import NDJSON, ndjson
from tests.devices.conftest import subscription

LINES = 8_000
PATIENCE = 240.0  # shared machines are sometimes slow; the test asserts counts, not times


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with stage() as started:
        yield started


def call(running: Stage, method: str, path: str, body: bytes | None = None) -> Any:
    headers = {"Authorization": f"Bearer {running.server_key}", "Content-Type": NDJSON}
    request = urllib.request.Request(running.url + path, body, headers, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
        return json.load(response)


def wait_until_done(running: Stage, job: Any, count: int) -> Any:
    deadline = time.monotonic() + PATIENCE
    while job["progress"]["done"] < count and time.monotonic() < deadline:
        time.sleep(0.1)
        job = call(running, "GET", f"/v1/jobs/{job['id']}")
    return job


def test_killed_workers_neither_lose_nor_repeat_a_line(running: Stage) -> None:
    keys = subscription()["keys"]
    lines = [
        {
            "device_id": str(uuid4()),
            "platform": "web",
            "subscription": {"endpoint": f"https://web.push.apple.com/{uuid4()}", "keys": keys},
            "user_id": f"user-{number}",
        }
        for number in range(LINES)
    ]
    job = call(running, "POST", "/v1/devices:import", ndjson(lines))
    for reached in (1, LINES // 2):
        job = wait_until_done(running, job, reached)
        assert job["progress"]["done"] < LINES
        running.kill("registry")
        running.start("registry")
    job = wait_until_done(running, job, LINES)
    assert job["progress"] == {
        "done": LINES, "total": LINES, "created": LINES, "updated": 0, "unchanged": 0, "skipped": 0, "failed": 0,
    }  # fmt: skip
    with psycopg.connect(running.cluster.postgres.url()) as database:
        rows = database.execute("SELECT count(*), count(DISTINCT user_id) FROM devices_device").fetchone()
    assert rows == (LINES, LINES)
