"""A push service that only answers, as cheaply as possible, so that a benchmark measures its client.

`python -m bench.tools.sink --latency 0.05` serves https on a free port of 127.0.0.1, and prints
`{"port", "ca", "own_ca"}`.
Paths under /sns/ get an SNS Publish response, all others a 201. With `--response 503` all get a 503, with `--response
hang` none gets a response. One process, keep-alive, no checks: it cannot replace the sandbox. It uses epoll directly,
which costs half of asyncio's TLS: sink and client share the machine, so that the client gets the rest of the CPU.

`ca` contains the public authorities and the sink's own, `own_ca` only the latter. A sender that posts to Google and
Mozilla trusts the public authorities, and loads their 150 certificates each time it makes a TLS context.
"""

import argparse
import heapq
import json
import select
import socket
import ssl
import sys
import time
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import certifi

from bench.tools.certificate import certificate_make

_SNS_BODY = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>'
    b"00000000-0000-0000-0000-000000000000</MessageId></PublishResult><ResponseMetadata><RequestId>"
    b"00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></PublishResponse>"
)
PUSHED = b"HTTP/1.1 201 Created\r\nLocation: /m/1\r\nTTL: 60\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"
PUBLISHED = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(_SNS_BODY), _SNS_BODY)


class Connection:
    """Reads requests by Content-Length and answers each one after the sink's latency, in order."""

    def __init__(self, sink: "Sink", accepted: socket.socket) -> None:
        accepted.setblocking(False)
        self._sink = sink
        self._socket = sink.context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        self._handshake_done = False
        self._buffer = bytearray()

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> None:
        """Read what has arrived; epoll reports the rest. Raises OSError when the peer has closed the connection."""
        try:
            if not self._handshake_done:
                self._socket.do_handshake()
                self._handshake_done = True
            while data := self._socket.recv(65536):
                self._buffer += data
                self._requests()
                if not self._socket.pending():
                    return
        except ssl.SSLWantReadError:
            return
        raise ConnectionResetError

    def write(self, response: bytes) -> None:
        self._socket.send(response)

    def close(self) -> None:
        self._socket.close()

    def _requests(self) -> None:
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            length = _content_length(head)
            if len(self._buffer) < end + 4 + length:
                if b"100-continue" in head:
                    self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            del self._buffer[: end + 4 + length]
            self._sink.respond(self, head)


class Sink:
    """Listens on `port`. `serve` returns when the pipe `until` is closed."""

    def __init__(self, context: ssl.SSLContext, *, latency: float, response: str) -> None:
        self.context = context
        self._latency = latency
        self._always = {"ok": None, "503": UNAVAILABLE, "hang": b""}[response]
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._later: list[tuple[float, int, Connection, bytes]] = []
        self._order = count()
        self.port: int = self._listener.getsockname()[1]

    def respond(self, connection: Connection, head: bytes) -> None:
        response = self._always
        if response is None:
            response = PUBLISHED if head.startswith(b"post /sns") else PUSHED
        if self._latency:
            due = time.monotonic() + self._latency
            heapq.heappush(self._later, (due, next(self._order), connection, response))
        else:
            connection.write(response)

    def serve(self, until: int) -> None:
        for fd in (until, self._listener.fileno()):
            self._epoll.register(fd, select.EPOLLIN)
        while True:
            wait = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
            for fd, _ in self._epoll.poll(wait):
                if fd == until:
                    return
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._read(self._connections[fd])
            while self._later and self._later[0][0] <= time.monotonic():
                *_, connection, response = heapq.heappop(self._later)
                if connection.fileno() >= 0:
                    connection.write(response)

    def _accept(self) -> None:
        accepted, _ = self._listener.accept()
        connection = Connection(self, accepted)
        self._connections[connection.fileno()] = connection
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, connection: Connection) -> None:
        try:
            connection.read()
        except OSError:
            del self._connections[connection.fileno()]
            connection.close()


def _content_length(head: bytes) -> int:
    start = head.find(b"content-length:")
    if start < 0:
        return 0
    end = head.find(b"\r\n", start)
    return int(head[start + 15 : end if end >= 0 else None])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tools.sink", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each response (default 0)")
    parser.add_argument("--response", choices=("ok", "503", "hang"), default="ok")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        own, chain = certificate_make(Path(folder))
        ca = Path(folder) / "authorities.pem"
        ca.write_text(Path(certifi.where()).read_text() + own.read_text())
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain)
        sink = Sink(context, latency=given.latency, response=given.response)
        print(json.dumps({"port": sink.port, "ca": str(ca), "own_ca": str(own)}), flush=True)
        # The pipe from the benchmark is closed when the benchmark ends, even by SIGKILL.
        sink.serve(until=sys.stdin.fileno())


if __name__ == "__main__":
    main()
