"""The latency of a POST while the registry is busy: `POST /v1/notifications` at a fixed rate, alone, then during the
imports of two tenants, with ten clients that send their bodies slowly.

`python -m bench.latency` stages a private service. Everything shares the machine, including this client, but separate
processes send the files. The loop is open: the latency of a request counts from the moment it was due, so a slow
response hides no delay of the requests after it.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bench.bulk import file_make, import_run
from bench.tools.processes import tree_usage
from pushhub.embedded.programs import manage
from pushhub.embedded.stage import Stage, stage

PATH = "/v1/notifications"
BODY = {"to": {"users": ["unknown"]}, "content": {"title": "Bench", "body": "x" * 200}}
SLOW_CLIENTS = ((PATH, "application/json", 1_000), ("/v1/devices:import", "application/x-ndjson", 100_000_000))
SLOW_CLIENTS_EACH = 5
BYTE_SECONDS = 0.2
WARM_SECONDS = 3.0


def latency_run(*, rate: int, seconds: float, devices: int) -> list[dict[str, Any]]:
    """Milliseconds from the moment a POST was due: `idle`, then `busy` while both imports run."""
    with (
        _senders() as pool,
        tempfile.TemporaryDirectory() as folder,
        stage(PUSHHUB_RATE_LIMIT_PER_MINUTE="10000000") as running,
    ):
        files = [Path(folder) / name for name in "ab"]
        for file in files:
            file.write_bytes(file_make(devices))
        keys = [json.loads(manage("tenant_create", name, "--json", env=running.env))["server_key"] for name in "ab"]
        _posts(running, rate, _for(WARM_SECONDS))
        idle = _posts(running, rate, _for(seconds))
        with _slow_clients(running):
            begin = time.perf_counter()
            imports = [pool.submit(_import, running.url, key, file) for key, file in zip(keys, files, strict=True)]
            busy = _posts(running, rate, lambda: not all(future.done() for future in imports))
            lines = sum(future.result() for future in imports)
            lines_per_second = round(lines / (time.perf_counter() - begin))
        worker_mb = round(tree_usage(running.children["registry"].pid).largest_mb)
    times = busy["p99_ms"] / idle["p99_ms"]
    return [
        {"phase": "idle", **idle, "x_idle_p99": 1.0, "import_lines_per_second": 0, "worker_mb": 0},
        {
            "phase": "busy",
            **busy,
            "x_idle_p99": round(times, 2),
            "import_lines_per_second": lines_per_second,
            "worker_mb": worker_mb,
        },
    ]


def _senders() -> ProcessPoolExecutor:
    """Two started processes."""
    pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    for started in [pool.submit(time.sleep, 0.1) for _ in range(2)]:
        started.result()
    return pool


def _import(url: str, key: str, file: Path) -> int:
    """The number of lines."""
    return int(import_run(url, key, file.read_bytes())["progress"]["done"])


def _for(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def _posts(running: Stage, rate: int, more: Callable[[], bool]) -> dict[str, Any]:
    elapsed = sorted(asyncio.run(_open_loop(running, rate, more)))
    return {
        "posts": len(elapsed),
        "p50_ms": round(elapsed[len(elapsed) // 2] * 1000, 1),
        "p99_ms": round(elapsed[len(elapsed) * 99 // 100] * 1000, 1),
    }


async def _open_loop(running: Stage, rate: int, more: Callable[[], bool]) -> list[float]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {running.server_key}"}) as session:

        async def post(due: float) -> float:
            async with session.post(running.url + PATH, json=BODY) as response:
                if response.status != 202:
                    raise SystemExit(f"{response.status} {await response.text()}")
                await response.read()
            return time.perf_counter() - due

        posts, due = [], time.perf_counter()
        while more():
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            posts.append(asyncio.create_task(post(due)))
            due += 1 / rate
        return await asyncio.gather(*posts)


@contextmanager
def _slow_clients(running: Stage) -> Iterator[None]:
    """Clients that send a byte from time to time, and start again when the service closes the connection."""
    with ExitStack() as stack:
        for path, media_type, length in SLOW_CLIENTS * SLOW_CLIENTS_EACH:
            stack.enter_context(_slow_client(running, path, media_type, length))
        yield


@contextmanager
def _slow_client(running: Stage, path: str, media_type: str, length: int) -> Iterator[None]:
    parts, stopped = urlsplit(running.url), Event()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {running.server_key}\r\n"
        f"Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    )

    def run() -> None:
        while not stopped.is_set():
            with suppress(OSError), socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
                connection.sendall(head.encode())
                while not stopped.wait(BYTE_SECONDS):
                    connection.sendall(b" ")

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rate", type=int, default=50, help="POSTs a second")
    parser.add_argument("--seconds", type=float, default=40.0, help="of the idle phase")
    parser.add_argument("--devices", type=int, default=100_000, help="lines of each import")
    given = parser.parse_args()
    for row in latency_run(rate=given.rate, seconds=given.seconds, devices=given.devices):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
