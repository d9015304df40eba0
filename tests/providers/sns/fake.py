"""SNS as boto3 sees it: answers written for each action in turn, calls recorded. The sandbox holds the real rules."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from typing_extensions import override

Answer = tuple[int, str]


@dataclass(slots=True)
class FakeSns:
    """`script` holds the answers still to give; `calls` what was asked."""

    url: str = ""
    script: list[Answer] = field(default_factory=list)
    calls: list[dict[str, str]] = field(default_factory=list)

    @property
    def actions(self) -> list[str]:
        return [call["Action"] for call in self.calls]


def ok(action: str, inner: str = "") -> Answer:
    return 200, f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"


def created(arn: str) -> Answer:
    return ok("CreatePlatformEndpoint", f"<EndpointArn>{arn}</EndpointArn>")


def attributes(action: str = "GetEndpointAttributes", **values: str) -> Answer:
    entries = "".join(f"<entry><key>{k}</key><value>{v}</value></entry>" for k, v in values.items())
    return ok(action, f"<Attributes>{entries}</Attributes>")


def error(code: str, message: str = "", status: int = 400) -> Answer:
    return status, (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        "<RequestId>r</RequestId></ErrorResponse>"
    )


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, fake: FakeSns, *args: Any) -> None:
        self._fake = fake
        super().__init__(*args)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._fake.calls.append(dict(parse_qsl(body)) | {"authorization": self.headers.get("Authorization", "")})
        status, text = self._fake.script.pop(0) if self._fake.script else error("InternalError", "unscripted", 500)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    @override
    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def fake_sns() -> Iterator[FakeSns]:
    fake = FakeSns()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, fake)) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield fake
        server.shutdown()
