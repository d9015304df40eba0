"""Between the event loop of the web server and the threads that run Django.

Clients may send a body slowly and read a response slowly. The event loop waits for them, under deadlines. So a slow
client costs a socket and the bytes that it has sent. A thread, with its database connection, gets a request when the
body is complete or, for an upload, when the first block is. It returns the response before the response is sent.

Each kind of request has threads of its own, so a flood of one kind does not stop the others. A limited number of
requests wait for them. Further requests get a 503.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import Any

from pushhub.http.body import BLOCK_BYTES, Body, Disconnected, MemoryFull, Message, Receive, Upload
from pushhub.http.environ import environ_of
from pushhub.http.lifespan import lifespan
from pushhub.http.peers import PeerUnknown, Share, peer_address, peer_network
from pushhub.http.pools import RequestPool
from pushhub.http.responses import (
    Application,
    Environ,
    ReadyResponse,
    busy,
    next_block,
    refusal,
    response_close,
    response_make,
)
from pushhub.kernel.errors import ApiError, ErrorCode

Scope = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]

LIVE = b'{"status": "ok"}'


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """`body_seconds` are the time for a body of at most `body_bytes`, or for each block of an upload: an upload of less
    than 6.5 KB a second ends. `read_seconds` are the time in which a client has to read a block of a response.

    Of `memory_bytes` for bodies and of `requests` in progress, per process, one client has at most a quarter.
    """

    body_bytes: int = 1024 * 1024
    body_seconds: float = 10.0
    upload_seconds: float = 600.0
    read_seconds: float = 30.0
    memory_bytes: int = 64 * 1024 * 1024
    requests: int = 4096  # as many connections as the server accepts (pushhub/embedded/programs.py)


class Bridge:
    """An ASGI application around a WSGI application.

    `pool_of` returns the pool for a path. A longer body than the limit is not read: the application refuses it by its
    Content-Length. Pools that stream have no such limit.

    A client is identified by its address behind `proxies` trusted proxies. If `strict`, a request that has passed
    through fewer proxies gets a 400, except for the `probed` paths. `/livez` is answered by the event loop.
    """

    def __init__(
        self,
        application: Application,
        *,
        pool_of: Callable[[str], RequestPool],
        limits: RequestLimits,
        proxies: int = 0,
        strict: bool = False,
        probed: frozenset[str] = frozenset(),
    ) -> None:
        self._application = application
        self._pool_of = pool_of
        self._limits = limits
        self._proxies = proxies
        self._strict = strict
        self._probed = probed
        self._memory = Share(limits.memory_bytes, per_peer=limits.memory_bytes // 4)
        self._requests = Share(limits.requests, per_peer=limits.requests // 4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if scope["path"] == "/livez" and scope["method"] in {"GET", "HEAD"}:
            await self._respond(send, ReadyResponse(200, [(b"content-type", b"application/json")], LIVE))
            return
        environ = environ_of(scope)
        try:
            environ["REMOTE_ADDR"] = self._address(environ)
        except PeerUnknown:
            detail = f"X-Forwarded-For has fewer than {self._proxies} addresses."
            await self._respond(send, refusal(environ, ApiError(ErrorCode.MALFORMED, detail=detail)))
            return
        peer = peer_network(environ["REMOTE_ADDR"])
        if not self._requests.take(peer):
            await self._respond(send, busy(environ))
            return
        try:
            await self._exchange(environ, peer, receive, send)
        except Disconnected:
            pass  # the server closes a connection whose response is not complete
        finally:
            self._requests.release(peer)

    def _address(self, environ: Environ) -> str:
        """Raises PeerUnknown."""
        socket_peer = environ["REMOTE_ADDR"]
        try:
            return peer_address(
                socket_peer=socket_peer, forwarded=environ.get("HTTP_X_FORWARDED_FOR", ""), proxies=self._proxies
            )
        except PeerUnknown:
            if self._strict and environ["PATH_INFO"] not in self._probed:
                raise
            return str(socket_peer)

    async def _exchange(self, environ: Environ, peer: str, receive: Receive, send: Send) -> None:
        pool = self._pool_of(environ["PATH_INFO"])
        empty = environ.get("CONTENT_LENGTH", "0") == "0" and "HTTP_TRANSFER_ENCODING" not in environ
        body = Body(receive, empty=empty, memory=self._memory, peer=peer)
        try:
            response = await self._handled(environ, body, pool, peer)
        finally:
            body.release()
        if response.seconds:
            await asyncio.sleep(response.seconds)
        if response.blocks is None:
            await self._respond(send, response)
        else:
            await self._stream(response, pool, receive, send)

    async def _handled(self, environ: Environ, body: Body, pool: RequestPool, peer: str) -> ReadyResponse:
        try:
            await self._input(environ, body, streams=pool.streams)
        except TimeoutError:
            return refusal(environ, ApiError(ErrorCode.REQUEST_TIMEOUT, detail="The body arrived too slowly."))
        except MemoryFull:
            return busy(environ)
        if not pool.places.take(peer):
            return busy(environ)
        try:
            return await pool.run(response_make, self._application, environ, pool.streams)
        finally:
            pool.places.release(peer)

    async def _input(self, environ: Environ, body: Body, *, streams: bool) -> None:
        """Reads the body, or the first block of an upload. Raises TimeoutError, MemoryFull, Disconnected."""
        limits = self._limits
        if streams:
            first = await body.read(BLOCK_BYTES, seconds=limits.body_seconds)
            rest = Upload(first, body, block_seconds=limits.body_seconds, seconds=limits.upload_seconds)
            environ["wsgi.input"] = BufferedReader(rest, BLOCK_BYTES)
            environ["wsgi.input_terminated"] = True
            return
        data = b""
        if not body.ended and int(environ.get("CONTENT_LENGTH", 0)) <= limits.body_bytes:
            data = await body.read(limits.body_bytes + 1, seconds=limits.body_seconds)
            # Django and DRF ignore a body without a length: a chunked one.
            environ["CONTENT_LENGTH"] = str(len(data))
        environ["wsgi.input"] = BytesIO(data)

    async def _respond(self, send: Send, response: ReadyResponse) -> None:
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        if len(response.body) <= BLOCK_BYTES:  # if it stays unread, the server closes the connection (lifespan.py)
            await send({"type": "http.response.body", "body": response.body})
        else:
            await self._send(send, response.body)
            await send({"type": "http.response.body", "body": b""})

    async def _stream(self, response: ReadyResponse, pool: RequestPool, receive: Receive, send: Send) -> None:
        """Between two blocks no thread is occupied."""
        gone = asyncio.create_task(_disconnected(receive))
        blocks = iter(response.blocks)
        try:
            await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
            while block := await pool.run(next_block, blocks):
                if gone.done():
                    raise Disconnected
                await self._send(send, block)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await pool.run(response_close, response.blocks)

    async def _send(self, send: Send, data: bytes) -> None:
        """Raises Disconnected for a client that does not read."""
        for start in range(0, len(data), BLOCK_BYTES):
            block = data[start : start + BLOCK_BYTES]
            try:
                async with asyncio.timeout(self._limits.read_seconds):
                    await send({"type": "http.response.body", "body": block, "more_body": True})
            except TimeoutError:
                raise Disconnected from None


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] == "http.request":
        pass
