"""What the demo's parts share: the service's API as a tenant's backend calls it, and a progress bar."""

import asyncio
import sys
from collections.abc import Awaitable, Iterable
from typing import Any

import aiohttp

IN_FLIGHT = 16


class DemoFailed(Exception):
    """The service or the sandbox answered something else than it should; the text says what."""


class Api:
    """The service through its public API, as a tenant's backend calls it."""

    def __init__(self, session: aiohttp.ClientSession, base: str, key: str = "") -> None:
        self._session = session
        self.base = base
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        async with self._session.request(method, self.base + path, json=body, headers=self._headers) as answer:
            if answer.status == 429:
                await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
                return await self.call(method, path, body)
            if answer.status >= 400:
                raise DemoFailed(f"{method} {path} answered {answer.status}: {(await answer.text())[:300]}")
            return await answer.json(content_type=None) if answer.status != 204 else {}


class Progress:
    """One line that fills up on a terminal; a line per step elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def show(self, label: str, done: int, total: int) -> None:
        if not self._live:
            if done == total:
                print(f"{label}: {total}", file=sys.stderr, flush=True)
            return
        filled = 30 * done // max(total, 1)
        end = "\n" if done == total else ""
        print(
            f"\r{label:<28} [{'█' * filled}{' ' * (30 - filled)}] {done}/{total}", end=end, file=sys.stderr, flush=True
        )

    async def gather(self, label: str, work: Iterable[Awaitable[Any]]) -> list[Any]:
        limit = asyncio.Semaphore(IN_FLIGHT)
        done = 0
        jobs = list(work)

        async def one(job: Awaitable[Any]) -> Any:
            nonlocal done
            async with limit:
                result = await job
            done += 1
            self.show(label, done, len(jobs))
            return result

        return await asyncio.gather(*(one(job) for job in jobs))
