"""pywebpush's async variant over one aiohttp session, 64 at once."""

import asyncio
import ssl
from typing import Any

import aiohttp
from job import job_run
from py_vapid import Vapid
from pywebpush import webpush_async


async def send_all(job: dict[str, Any]) -> None:
    vapid = Vapid.from_pem(job["vapid_pem"].encode())
    limit = asyncio.Semaphore(64)
    connector = aiohttp.TCPConnector(limit=64, ssl=ssl.create_default_context(cafile=job["ca"]))
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(number: int) -> None:
            async with limit:
                subscription = job["subscriptions"][number % len(job["subscriptions"])]
                await webpush_async(
                    subscription, job["payload"], vapid, {"sub": job["sub"]}, ttl=60, aiohttp_session=session
                )

        await asyncio.gather(*(one(number) for number in range(job["count"])))


job_run(lambda job: asyncio.run(send_all(job)))
