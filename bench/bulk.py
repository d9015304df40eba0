"""Imports: how long 100,000 browsers' registrations take from the POST to the job's end, then again unchanged, then
out again as an export.

`python -m bench.bulk` stages a private service: web, workers, PostgreSQL and this client share the machine.
"""

import argparse
import base64
import json
import os
import time
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pushhub.embedded.stage import Stage, stage

KEYS = 2_000
POLL_SECONDS = 0.2


def bulk_run(*, devices: int) -> list[dict[str, Any]]:
    file = b"".join(_lines(devices))
    with stage() as running:
        return [
            _measure(running, "import, new devices", "/v1/devices:import", "application/x-ndjson", file),
            _measure(running, "import, nothing new", "/v1/devices:import", "application/x-ndjson", file),
            _measure(running, "export", "/v1/devices:export", "application/json", b'{"secrets":true}'),
        ]


def _lines(count: int) -> Iterator[bytes]:
    """Each a capability URL of its own; the keys repeat, to be checked every time all the same."""
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


def _measure(running: Stage, name: str, path: str, media_type: str, body: bytes) -> dict[str, Any]:
    begin = time.perf_counter()
    job = _call(running, "POST", path, body, media_type)
    taken = time.perf_counter() - begin
    while job["state"] in {"queued", "running"}:
        time.sleep(POLL_SECONDS)
        job = _call(running, "GET", f"/v1/jobs/{job['id']}")
    seconds = time.perf_counter() - begin
    progress = job["progress"]
    if job["state"] != "completed" or progress["failed"]:
        raise SystemExit(f"{name}: {job}")
    return {
        "job": name,
        "devices": progress["done"],
        "megabytes": round(len(body) / 1e6, 1),
        "until_202_s": round(taken, 2),
        "seconds": round(seconds, 1),
        "per_second": round(progress["done"] / seconds),
    }


def _call(running: Stage, method: str, path: str, body: bytes | None = None, media_type: str = "") -> Any:
    headers = {"Authorization": f"Bearer {running.server_key}"} | ({"Content-Type": media_type} if media_type else {})
    request = urllib.request.Request(running.url + path, body, headers, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
        return json.load(answer)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bulk", description=__doc__)
    parser.add_argument("--devices", type=int, default=100_000)
    for row in bulk_run(devices=parser.parse_args().devices):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
