"""The stub's vendor: an HTTP server on loopback that answers as the token says. For tests and load only.

`stub:ok`, `stub:gone`, `stub:retry`, `stub:reject`, `stub:misconfigured`, `stub:slow`; anything after a further
colon distinguishes devices (`stub:ok:17`).
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from typing_extensions import override

STATUS = {"ok": 201, "slow": 201, "gone": 410, "retry": 503, "reject": 400, "misconfigured": 401}
SLOW = 1.0  # seconds


@dataclass(slots=True)
class StubServer:
    """`url` goes into StubCredentials; `received` fills with (token, payload) in the order of arrival."""

    url: str = ""
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: StubServer, *args: Any) -> None:
        self._stub = server
        super().__init__(*args)

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        token = self.headers.get("Stub-Token", "")
        behaviour = token.split(":")[1] if token.startswith("stub:") else ""
        if behaviour == "slow":
            time.sleep(SLOW)
        self._stub.received.append((token, payload))
        self.send_response(STATUS.get(behaviour, 400))
        self.send_header("Stub-Message-Id", str(uuid4()))
        if behaviour == "retry":
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Tokens do not belong in logs."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def stub_server() -> Iterator[StubServer]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    stub = StubServer()
    with _Server(("127.0.0.1", 0), partial(_Handler, stub)) as server:
        stub.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield stub
        finally:
            server.shutdown()
