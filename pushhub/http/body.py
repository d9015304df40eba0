"""The body of a request as it arrives in the event loop: whole, or block by block for a thread that reads an upload."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO, RawIOBase
from typing import Any

from typing_extensions import override

from pushhub.http.peers import Share

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

BLOCK_BYTES = 64 * 1024
# These bytes of each body do not count as memory: the number of connections bounds them. So requests of ordinary size
# never wait because others have filled the memory.
UNCOUNTED_BYTES = 16 * 1024
MEMORY_POLL_SECONDS = 0.05


class Disconnected(ConnectionError):
    """The client closed the connection. No response can be sent."""


class MemoryFull(Exception):
    """The process holds as many bytes of bodies as it may, and none became free in time."""


class Body:
    """The body of one request. `memory` counts the bytes that the process holds; `release` gives them back."""

    def __init__(self, receive: Receive, *, empty: bool, memory: Share, peer: str) -> None:
        self.ended = empty
        self._receive = receive
        self._memory = memory
        self._peer = peer
        self._counted = 0

    async def read(self, size: int, *, seconds: float) -> bytes:
        """At least `size` bytes, or the rest of the body. Raises TimeoutError, Disconnected, MemoryFull."""
        blocks: list[bytes] = []
        length = 0
        waits_for_memory = False
        try:
            async with asyncio.timeout(seconds):
                while length < size and not self.ended:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        raise Disconnected
                    block = message.get("body", b"")
                    self.ended = not message.get("more_body", False)
                    blocks.append(block)
                    length += len(block)
                    waits_for_memory = True
                    await self._count(length)
                    waits_for_memory = False
        except TimeoutError:
            if waits_for_memory:
                raise MemoryFull from None
            raise
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    async def _count(self, length: int) -> None:
        while (more := length - UNCOUNTED_BYTES - self._counted) > 0:
            if self._memory.take(self._peer, more):
                self._counted += more
                return
            await asyncio.sleep(MEMORY_POLL_SECONDS)

    def release(self) -> None:
        if self._counted:
            self._memory.release(self._peer, self._counted)
            self._counted = 0


class Upload(RawIOBase):
    """The input of a thread that reads an upload: `first`, then the blocks that the event loop receives. A block is
    received when the thread asks for it, so a thread that is slow slows down its client.

    Reading raises TimeoutError for a client that needs more than `block_seconds` for a block or `seconds` for the rest
    of the body, and Disconnected.
    """

    def __init__(self, first: bytes, body: Body, *, block_seconds: float, seconds: float) -> None:
        self._block = BytesIO(first)
        self._body = body
        self._block_seconds = block_seconds
        self._deadline = time.monotonic() + seconds
        self._loop = asyncio.get_running_loop()

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        block = self._block.read(len(buffer))
        if not block and not self._body.ended:
            seconds = min(self._block_seconds, self._deadline - time.monotonic())
            received = self._body.read(BLOCK_BYTES, seconds=seconds)
            self._block = BytesIO(asyncio.run_coroutine_threadsafe(received, self._loop).result())
            block = self._block.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)
