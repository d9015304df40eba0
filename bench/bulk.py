"""Imports: the time from the POST of 100,000 browsers' registrations to the end of the job, then the same file again,
then an export.

`python -m bench.bulk` stages a private service: web, workers, PostgreSQL and this client share the machine.
"""

import argparse
import base64
import json
import os
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.tools.processes import tree_usage
from pushhub.embedded.stage import Stage, stage

KEYS = 2_000
POLL_SECONDS = 0.2


def bulk_run(*, devices: int) -> list[dict[str, Any]]:
    file = file_make(devices)
    with stage() as running:
        imports = [
            _measured(running, f"import, {what}", lambda: import_run(running.url, running.server_key, file))
            for what in ("new devices", "nothing new")
        ]
        return [*imports, _measured(running, "export", lambda: _export_run(running))]


def file_make(devices: int) -> bytes:
    return b"".join(_lines(devices))


def import_run(url: str, key: str, file: bytes) -> dict[str, Any]:
    """The ended job. Raises SystemExit if it failed."""
    return _job_run(url, key, "/v1/devices:import", "application/x-ndjson", file)


def _export_run(running: Stage) -> dict[str, Any]:
    return _job_run(running.url, running.server_key, "/v1/devices:export", "application/json", b'{"secrets":true}')


def _lines(count: int) -> Iterator[bytes]:
    """Each line has a different capability URL. The keys repeat, but are checked each time."""
    keys = [_keys() for _ in range(min(count, KEYS))]
    for number in range(count):
        subscription = {
            "endpoint": f"https://updates.push.services.mozilla.com/wpush/v2/{uuid.uuid4().hex}{uuid.uuid4().hex}",
            "expirationTime": None,
            "keys": keys[number % len(keys)],
        }
        line = {
            "device_id": str(uuid.uuid4()),
            "platform": "web",
            "subscription": subscription,
            "user_id": f"user-{number}",
            "locale": "pt-BR",
            "timezone": "America/Sao_Paulo",
            "attributes": {"plan": "pro", "visits": number},
            "tags": ["beta"],
        }
        yield json.dumps(line).encode() + b"\n"


def _keys() -> dict[str, str]:
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {"p256dh": _b64url(raw), "auth": _b64url(os.urandom(16))}


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _job_run(url: str, key: str, path: str, media_type: str, body: bytes) -> dict[str, Any]:
    job = _call(url, key, "POST", path, body, media_type)
    while job["state"] in {"queued", "running"}:
        time.sleep(POLL_SECONDS)
        job = _call(url, key, "GET", f"/v1/jobs/{job['id']}")
    if job["state"] != "completed" or job["progress"]["failed"]:
        raise SystemExit(f"not completed: {job}")
    return job


def _measured(running: Stage, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """CPU in µs per line of web (with the polling), registry workers and PostgreSQL, with their ended processes."""
    pids = {name: running.children[name].pid for name in ("web", "registry")}
    assert running.cluster.postgres.process is not None
    pids["postgres"] = running.cluster.postgres.process.pid
    before, begin = {name: tree_usage(pid) for name, pid in pids.items()}, time.perf_counter()
    done = work()["progress"]["done"]
    seconds = time.perf_counter() - begin
    after = {name: tree_usage(pid) for name, pid in pids.items()}
    spent = {name: after[name].cpu_seconds - before[name].cpu_seconds for name in pids}
    return {
        "job": name,
        "devices": done,
        "seconds": round(seconds, 1),
        "per_second": round(done / seconds),
        **{f"{name}_us": round(spent[name] / done * 1e6) for name in pids},
        "worker_mb": round(after["registry"].largest_mb),
    }


def _call(
    url: str, key: str, method: str, path: str, body: bytes | None = None, media_type: str = ""
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"} | ({"Content-Type": media_type} if media_type else {})
    request = urllib.request.Request(url + path, body, headers, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as response:
        found: dict[str, Any] = json.load(response)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bulk", description=__doc__)
    parser.add_argument("--devices", type=int, default=100_000)
    for row in bulk_run(devices=parser.parse_args().devices):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
