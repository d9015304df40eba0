"""A client of an ASGI application, without a server."""

import asyncio
from collections.abc import Iterable
from typing import Any

from pushhub.http.bridge import Bridge, RequestLimits
from pushhub.http.pools import RequestPool

SMALL = RequestLimits(body_bytes=100_000, body_seconds=0.3, upload_seconds=5.0, read_seconds=0.3)


class Response(list[bytes]):
    """What Django returns, without a `close` that uses the database connection of the thread."""

    streaming = False


class Exchange:
    """One request. It sends `blocks` as the body. Then the body has ended; or the client is silent, or it has gone."""

    def __init__(self, *blocks: bytes, then: str = "end", reads: bool = True) -> None:
        self._blocks = list(blocks) or [b""]
        self._then = then
        self._reads = reads
        self.received: list[bytes] = []
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False

    async def receive(self) -> dict[str, Any]:
        if self._blocks:
            block = self._blocks.pop(0)
            self.received.append(block)
            return {"type": "http.request", "body": block, "more_body": bool(self._blocks) or self._then != "end"}
        if self._then == "gone":
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.body += message["body"]
        self.complete = not message.get("more_body", False)
        if not self._reads:
            await asyncio.Event().wait()

    async def run(self, bridge: Bridge, path: str = "/", *, method: str = "POST", **headers: str) -> "Exchange":
        """Header names have underscores instead of hyphens."""
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await bridge(scope_of(path, method, given), self.receive, self.send)
        return self


def scope_of(path: str, method: str, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "server": ("127.0.0.1", "8000"),
        "client": ("192.0.2.1", "4711"),
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
    }


def echo(environ: dict[str, Any], start_response: Any) -> Response:
    """Returns the body that it reads."""
    body = Response([environ["wsgi.input"].read()])
    start_response("200 OK", [("X-Length", environ.get("CONTENT_LENGTH", "none"))])
    return body


def pool(*, threads: int = 2, waiting: int = 2, per_peer: int = 4, streams: bool = False) -> RequestPool:
    return RequestPool("test", threads=threads, waiting=waiting, per_peer=per_peer, streams=streams)


def bridge(application: Any = echo, *, streams: bool = False, limits: RequestLimits = SMALL, **more: Any) -> Bridge:
    """All paths have one pool, unless `pool_of` is given."""
    only = pool(streams=streams)
    return Bridge(application, **{"pool_of": lambda _: only, "limits": limits, **more})
