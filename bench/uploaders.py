"""Clients that upload pictures until stdin closes: `python -m bench.uploaders API N WIDTH`, the key on stdin.

Prints `{"seconds": …, "204": uploads, "503": …}`: by the upload's answer, or what became of the connection. Runs at the
machine's lowest priority.
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

PAUSE_SECONDS = 2.0  # when told to come back later


async def upload_on(session: aiohttp.ClientSession, api: str, picture: bytes, answers: Counter[str]) -> None:
    while True:
        body = {"user_id": f"uploader-{uuid.uuid4()}", "content_type": "image/jpeg"}
        async with session.post(f"{api}/v1/avatars", json=body) as answer:
            form = (await answer.json())["upload"]
        while (status := await _sent(session, urljoin(api, form["url"]), form["fields"], picture)) != "204":
            answers[status] += 1
            await asyncio.sleep(PAUSE_SECONDS * (0.5 + random.random()))
        answers[status] += 1


async def _sent(session: aiohttp.ClientSession, url: str, fields: dict[str, str], picture: bytes) -> str:
    data = aiohttp.FormData(fields)
    data.add_field("file", picture, filename="me.jpg", content_type="image/jpeg")
    try:
        async with session.post(url, data=data) as answer:
            await answer.read()
            return str(answer.status)
    except aiohttp.ClientError as error:
        return type(error).__name__


async def run(api: str, number: int, width: int) -> None:
    key, picture, answers = sys.stdin.readline().strip(), photograph(width, width * 3 // 4), Counter[str]()
    started = time.perf_counter()
    headers = {"Authorization": f"Bearer {key}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        work = [asyncio.create_task(upload_on(session, api, picture, answers)) for _ in range(number)]
        await asyncio.to_thread(sys.stdin.read)
        seconds = time.perf_counter() - started
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    print(json.dumps({"seconds": seconds, **answers}))


if __name__ == "__main__":
    os.nice(19)
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
