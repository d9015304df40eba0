"""Accept rates: how many notifications and device registrations the API accepts a second, with 32 connections.

`python -m bench.accept` stages a private service. The client runs on the same machine and takes a part of its CPU.
"""

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp

from pushhub.embedded.stage import Stage, stage
from sandbox.testing import SandboxClient

Request = tuple[str, str, dict[str, Any]]

CONNECTIONS = 32


def accept_run(*, seconds: float) -> list[dict[str, Any]]:
    with stage(PUSHHUB_RATE_LIMIT_PER_MINUTE="10000000") as running:
        subscriptions = SandboxClient(running.sandbox_url).mint_web(2_000)
        return [
            asyncio.run(_measure(running, "POST /v1/notifications", seconds, _notification)),
            asyncio.run(
                _measure(running, "PUT /v1/devices/{id}, new", seconds, lambda n: _registration(subscriptions, n))
            ),
        ]


def _notification(_: int) -> Request:
    body = {"to": {"users": ["unknown"]}, "content": {"title": "Bench", "body": "x" * 200}}
    return "POST", "/v1/notifications", body


def _registration(subscriptions: list[Any], number: int) -> Request:
    made = subscriptions[number % len(subscriptions)]
    # Another capability of the same browser: a separate registration without minting a key for each.
    subscription = made | {"endpoint": f"{made['endpoint']}{uuid.uuid4().hex}"}
    return "PUT", f"/v1/devices/{uuid.uuid4()}", {"platform": "web", "subscription": subscription, "user_id": "u"}


async def _measure(running: Stage, name: str, seconds: float, make: Callable[[int], Request]) -> dict[str, Any]:
    elapsed: list[float] = []
    begin = time.perf_counter()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {running.server_key}"}) as session:

        async def caller(number: int) -> None:
            while time.perf_counter() - begin < seconds:
                method, path, body = make(number := number + CONNECTIONS)
                start = time.perf_counter()
                async with session.request(method, running.url + path, json=body) as response:
                    if response.status >= 300:
                        raise SystemExit(f"{name}: {response.status} {await response.text()}")
                    await response.read()
                elapsed.append(time.perf_counter() - start)

        await asyncio.gather(*(caller(number) for number in range(CONNECTIONS)))
    took = time.perf_counter() - begin
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
