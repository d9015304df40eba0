"""Clients that upload pictures until stdin is closed: `python -m bench.uploaders API N WIDTH`, with the key on stdin.

Prints `{"seconds": …, "204": uploads, "503": …}`: counts by the status of the response, or by the connection error.
Runs at the lowest priority of the machine.
"""

import asyncio
import json
import os
import random
import sys
import time
import uuid
from collections import Counter
from urllib.parse import urljoin

import aiohttp

from bench.images import photograph

PAUSE_SECONDS = 2.0  # after a refused upload


async def upload_on(session: aiohttp.ClientSession, api: str, picture: bytes, responses: Counter[str]) -> None:
    while True:
        body = {"user_id": f"uploader-{uuid.uuid4()}", "content_type": "image/jpeg"}
        async with session.post(f"{api}/v1/avatars", json=body) as response:
            form = (await response.json())["upload"]
        while (status := await _sent(session, urljoin(api, form["url"]), form["fields"], picture)) != "204":
            responses[status] += 1
            await asyncio.sleep(PAUSE_SECONDS * (0.5 + random.random()))
        responses[status] += 1


async def _sent(session: aiohttp.ClientSession, url: str, fields: dict[str, str], picture: bytes) -> str:
    data = aiohttp.FormData(fields)
    data.add_field("file", picture, filename="me.jpg", content_type="image/jpeg")
    try:
        async with session.post(url, data=data) as response:
            await response.read()
            return str(response.status)
    except aiohttp.ClientError as error:
        return type(error).__name__


async def run(api: str, number: int, width: int) -> None:
    key, picture, responses = sys.stdin.readline().strip(), photograph(width, width * 3 // 4), Counter[str]()
    started = time.perf_counter()
    headers = {"Authorization": f"Bearer {key}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        work = [asyncio.create_task(upload_on(session, api, picture, responses)) for _ in range(number)]
        await asyncio.to_thread(sys.stdin.read)
        seconds = time.perf_counter() - started
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    print(json.dumps({"seconds": seconds, **responses}))


if __name__ == "__main__":
    os.nice(19)
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
