"""Shared by the demo's parts: the service's API as a tenant's backend calls it, and a progress bar."""

import asyncio
import sys
from collections.abc import Awaitable, Iterable
from typing import Any

import aiohttp

IN_FLIGHT = 16


class DemoFailed(Exception):
    """The service or the sandbox gave an unexpected response; the text says which."""


class Api:
    """Calls the service through its public API, as a tenant's backend does."""

    def __init__(self, session: aiohttp.ClientSession, base: str, key: str = "") -> None:
        self._session = session
        self.base = base
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        async with self._session.request(method, self.base + path, json=body, headers=self._headers) as response:
            if response.status == 429:
                await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
                return await self.call(method, path, body)
            if response.status >= 400:
                raise DemoFailed(f"{method} {path} answered {response.status}: {(await response.text())[:300]}")
            return await response.json(content_type=None) if response.status != 204 else {}


class Progress:
    """A progress bar on a terminal; elsewhere one line per finished step."""

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
        tasks = list(work)

        async def one(task: Awaitable[Any]) -> Any:
            nonlocal done
            async with limit:
                result = await task
            done += 1
            self.show(label, done, len(tasks))
            return result

        return await asyncio.gather(*(one(task) for task in tasks))
