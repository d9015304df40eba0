"""pywebpush's async variant over one aiohttp session, 64 at once."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
from py_vapid import Vapid
from pywebpush import webpush_async
from workload import workload_run


def prepare(workload: dict[str, Any]) -> Callable[[int], None]:
    runner = asyncio.Runner()
    session = runner.run(session_make(workload["ca"]))
    vapid = Vapid.from_pem(workload["vapid_pem"].encode())
    limit = asyncio.Semaphore(64)

    async def one(number: int) -> None:
        async with limit:
            subscription = workload["subscriptions"][number % len(workload["subscriptions"])]
            await webpush_async(
                subscription, workload["payload"], vapid, {"sub": workload["sub"]}, ttl=60, aiohttp_session=session
            )

    async def send(count: int) -> None:
        await asyncio.gather(*(one(number) for number in range(count)))

    return lambda count: runner.run(send(count))


async def session_make(ca: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64, ssl=ssl.create_default_context(cafile=ca)))


workload_run(prepare)
