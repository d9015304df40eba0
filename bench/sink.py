"""A push service that only answers: the cheapest possible peer, so that a benchmark measures its client.

`python -m bench.sink --latency 0.05` serves https on a free port of 127.0.0.1, and prints `{"port", "ca"}`. Paths under
/sns/ get an SNS Publish answer, all others a 201; or all a 503, or nothing, ever (`--answer 503`, `--answer hang`). One
process, keep-alive, no checks: never a stand-in for the sandbox.
"""

import argparse
import asyncio
import json
import ssl
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from typing_extensions import override

from bench.certificate import certificate_make

_SNS_BODY = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>'
    b"00000000-0000-0000-0000-000000000000</MessageId></PublishResult><ResponseMetadata><RequestId>"
    b"00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></PublishResponse>"
)
PUSHED = b"HTTP/1.1 201 Created\r\nLocation: /m/1\r\nTTL: 60\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"
PUBLISHED = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(_SNS_BODY), _SNS_BODY)


class Sink(asyncio.Protocol):
    """Reads requests by Content-Length and answers each after `latency` seconds, in order."""

    def __init__(self, latency: float, answer: str) -> None:
        self._latency = latency
        self._always = {"ok": None, "503": UNAVAILABLE, "hang": b""}[answer]
        self._buffer = bytearray()
        self._loop = asyncio.get_running_loop()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            length = _content_length(head)
            if len(self._buffer) < end + 4 + length:
                if b"100-continue" in head:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            del self._buffer[: end + 4 + length]
            usual = PUBLISHED if head.startswith(b"post /sns") else PUSHED
            self._answer(usual if self._always is None else self._always)

    def _answer(self, answer: bytes) -> None:
        if self._latency:
            self._loop.call_later(self._latency, self._write, answer)
        else:
            self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def _content_length(head: bytes) -> int:
    start = head.find(b"content-length:")
    if start < 0:
        return 0
    end = head.find(b"\r\n", start)
    return int(head[start + 15 : end if end >= 0 else None])


async def _serve(latency: float, answer: str, folder: Path) -> None:
    ca, chain = certificate_make(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(latency, answer), "127.0.0.1", 0, ssl=context, backlog=2048)
    print(json.dumps({"port": server.sockets[0].getsockname()[1], "ca": str(ca)}), flush=True)
    # The pipe from the benchmark ends when it does, however it does.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sink", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer (default 0)")
    parser.add_argument("--answer", choices=("ok", "503", "hang"), default="ok")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        asyncio.run(_serve(given.latency, given.answer, Path(folder)))


if __name__ == "__main__":
    main()
