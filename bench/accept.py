"""Accept rates: how many notifications and device registrations the API takes a second, 32 connections at once.

`python -m bench.accept` stages a private service; the client runs on the same machine and is included in the picture.
"""

import argparse
import json
import time
import uuid
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from bench.senders import sink
from providers.http import Client
from providers.net import NetworkPolicy
from providers.types import HttpRequest, HttpResponse
from pushhub.embedded.stage import Stage, stage
from sandbox.testing import SandboxClient

CONNECTIONS = 32


def accept_run(*, seconds: float) -> list[dict[str, Any]]:
    with sink(0.0) as at, stage(SSL_CERT_FILE=at["ca"], PUSHHUB_RATE_LIMIT_PER_MINUTE="10000000") as running:
        subscriptions = SandboxClient(running.sandbox_url).mint_web(2_000)
        user = json.dumps({"to": {"users": ["nobody"]}, "content": {"title": "Bench", "body": "x" * 200}}).encode()
        return [
            _measure("POST /v1/notifications", seconds, lambda _: _request(running, "POST", "/v1/notifications", user)),
            _measure("PUT /v1/devices/{id}, new", seconds, lambda n: _registration(running, subscriptions, n)),
        ]


def _registration(running: Stage, subscriptions: list[Any], number: int) -> HttpRequest:
    made = subscriptions[number % len(subscriptions)]
    # Another capability of the same browser: a registration of its own without minting a key for each.
    body = {
        "platform": "web",
        "subscription": made | {"endpoint": f"{made['endpoint']}{uuid.uuid4().hex}"},
        "user_id": "u",
    }
    return _request(running, "PUT", f"/v1/devices/{uuid.uuid4()}", json.dumps(body).encode())


def _request(running: Stage, method: str, path: str, body: bytes) -> HttpRequest:
    headers = {"Authorization": f"Bearer {running.server_key}", "Content-Type": "application/json"}
    return HttpRequest(running.url + path, headers, body, method)


def _measure(name: str, seconds: float, make: Callable[[int], HttpRequest]) -> dict[str, Any]:
    client = Client(NetworkPolicy(allowed_private_networks=(ip_network("127.0.0.1/32"),)), max_in_flight=CONNECTIONS)
    begin = time.perf_counter()
    sent, elapsed = 0, []
    while client.in_flight or time.perf_counter() - begin < seconds:
        while client.room and time.perf_counter() - begin < seconds:
            client.submit(make(sent), sent)
            sent += 1
        for _, answer in client.poll(1.0):
            if not isinstance(answer, HttpResponse) or answer.status >= 300:
                raise SystemExit(f"{name}: {answer}")
            elapsed.append(answer.elapsed)
    took = time.perf_counter() - begin
    client.close()
    elapsed.sort()
    return {
        "request": name,
        "per_second": round(len(elapsed) / took),
        "p50_ms": round(elapsed[len(elapsed) // 2] * 1000, 1),
        "p99_ms": round(elapsed[len(elapsed) * 99 // 100] * 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.accept", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    for row in accept_run(seconds=parser.parse_args().seconds):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
