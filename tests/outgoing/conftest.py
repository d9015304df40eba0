"""A server that misbehaves on request, and the policies to reach it with."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import ClassVar

import pytest
from typing_extensions import override

from outgoing.http import Client
from outgoing.network import NetworkPolicy
from outgoing.transfer import Limits

LOOPBACK = NetworkPolicy((ip_network("127.0.0.0/8"),))


class Rude(BaseHTTPRequestHandler):
    """Each path is a way of answering."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []

    @override
    def log_message(self, *_args: object) -> None:
        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        getattr(self, f"on_{self.path.strip('/').split('?')[0]}", self.on_ok)()

    def do_GET(self) -> None:
        self.do_POST()

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def on_ok(self) -> None:
        self.answer(201, {"Location": "https://push.example/m/1", "X-Twice": "a"}, b"fine")

    def on_slow(self) -> None:
        time.sleep(0.4)
        self.answer(200, {})

    def on_hang(self) -> None:
        time.sleep(1.5)

    def on_redirect(self) -> None:
        self.answer(307, {"Location": "/ok"})

    def on_big(self) -> None:
        self.answer(200, {}, b"x" * 200_000)

    def on_endless(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")

    def on_reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def handle_error(self, *_args: object) -> None:
        return


@pytest.fixture(scope="session")
def rude_url() -> Iterator[str]:
    server = QuietServer(("127.0.0.1", 0), Rude)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def seen() -> list[tuple[str, dict[str, str], bytes]]:
    Rude.seen.clear()
    return Rude.seen


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client(LOOPBACK, max_in_flight=8, limits=Limits(connect_timeout=2, total_timeout=5))
    yield client
    client.close()
