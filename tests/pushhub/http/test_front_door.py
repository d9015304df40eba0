"""Clients that are slow, silent or malformed stop neither probes nor requests. After they have left, all is as before.

The attacks are short, and nothing is measured, so that a slow machine passes as well.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from pushhub.embedded.stage import Stage

CLIENTS = 150
PATIENCE = 20  # seconds
FORM_FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
FORM = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nvalue'


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


SLOW_BODY = head("POST", "/v1/receipts", "Content-Type: application/json", "Content-Length: 1000") + b'{"rec'
SLOW_CHUNK = head("POST", "/v1/receipts", "Content-Type: application/json", "Transfer-Encoding: chunked") + b"ff\r\n[1"
HALF_FORM = head("POST", "/avatars/upload", "Content-Type: multipart/form-data; boundary=b", "Content-Length: 99999999")
HALF_IMPORT = head("POST", "/v1/devices:import", "Content-Type: text/csv", "Content-Length: 9000000")
ATTACKS = {
    "silent connections": b"",
    "slow headers": b"POST /v1/receipts HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
    "slow bodies": SLOW_BODY,
    "slow chunked bodies": SLOW_CHUNK,
    "half-sent forms": HALF_FORM + FORM,
    "half-sent imports": HALF_IMPORT + b"no,header\n" * 10_000,
    "responses that are not read": head("GET", "/docs/errors") * 200,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5),
}


@contextmanager
def clients(service: Stage, sent: bytes) -> Iterator[None]:
    """CLIENTS connections that send this, and then wait."""
    address = urlsplit(service.url)
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE)
            stack.enter_context(connection).sendall(sent)
        yield


def status_of(service: Stage, path: str, body: bytes | None = None) -> int:
    headers = {"Authorization": f"Bearer {service.server_key}", "Content-Type": "application/json"}
    with urlopen(Request(f"{service.url}{path}", body, headers), timeout=PATIENCE) as response:
        return int(response.status)


def all_served(service: Stage) -> None:
    message = b'{"to": {"users": ["none"]}, "content": {"title": "Still here"}}'
    for _ in range(5):
        assert status_of(service, "/livez") == 200
        assert status_of(service, "/v1/apps") == 200
        assert status_of(service, "/v1/notifications", message) == 202


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_service_answers_during_an_attack_and_afterwards(service: Stage, attack: str) -> None:
    with clients(service, ATTACKS[attack]):
        all_served(service)
    all_served(service)


CLOSED = {
    "silence": (b"", b""),
    "a slow head": (ATTACKS["slow headers"], b""),
    "HTTP/2": (ATTACKS["HTTP/2"], b""),
    "a slow body": (SLOW_BODY, b"HTTP/1.1 408"),
    "a slow chunked body": (SLOW_CHUNK, b"HTTP/1.1 408"),
    "a slow form": (HALF_FORM + FORM, b"HTTP/1.1 408"),
    "a large body": (head("POST", "/v1/receipts", "Content-Length: 2000000"), b"HTTP/1.1 413"),
    "a form without a signature": (HALF_FORM + FORM_FILE + bytes(70_000), b"HTTP/1.1 403"),
    "an import without a credential": (HALF_IMPORT + bytes(70_000), b"HTTP/1.1 401"),
}


def test_the_service_closes_connections_of_slow_clients_and_early_refusals(service: Stage) -> None:
    address = urlsplit(service.url)
    received = {}
    with ExitStack() as stack:
        connections = {name: socket.create_connection((address.hostname or "", address.port or 0)) for name in CLOSED}
        for name, connection in connections.items():
            stack.enter_context(connection).sendall(CLOSED[name][0])
            connection.settimeout(3 * PATIENCE)
        for name, connection in connections.items():
            received[name] = _all(connection)[:12]
    assert received == {name: end for name, (_, end) in CLOSED.items()}


def _all(connection: socket.socket) -> bytes:
    """What arrives until the service closes the connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))
