"""Threads of a web process, and the places of the requests that wait for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pushhub.http.peers import Share

Result = TypeVar("Result")


@dataclass
class RequestPool:
    """`threads` handle one kind of request, and `waiting` more requests may wait for them. One client has at most
    `per_peer` of these places. A thread of a pool that `streams` reads the body of its request itself, block by block,
    and keeps no database connection afterwards."""

    name: str
    threads: int
    waiting: int
    per_peer: int
    streams: bool = False
    places: Share = field(init=False)
    _executor: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.places = Share(self.threads + self.waiting, per_peer=self.per_peer)
        self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix=self.name)

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
