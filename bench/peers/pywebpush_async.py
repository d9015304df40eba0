"""pywebpush's async variant over one aiohttp session, 64 at once."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
from job import job_run
from py_vapid import Vapid
from pywebpush import webpush_async


def prepare(job: dict[str, Any]) -> Callable[[int], None]:
    runner = asyncio.Runner()
    session = runner.run(session_make(job["ca"]))
    vapid = Vapid.from_pem(job["vapid_pem"].encode())
    limit = asyncio.Semaphore(64)

    async def one(number: int) -> None:
        async with limit:
            subscription = job["subscriptions"][number % len(job["subscriptions"])]
            await webpush_async(
                subscription, job["payload"], vapid, {"sub": job["sub"]}, ttl=60, aiohttp_session=session
            )

    async def send(count: int) -> None:
        await asyncio.gather(*(one(number) for number in range(count)))

    return lambda count: runner.run(send(count))


async def session_make(ca: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64, ssl=ssl.create_default_context(cafile=ca)))


job_run(prepare)
