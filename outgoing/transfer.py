"""One transfer of libcurl: the options that make it safe, what it collects, what its errors mean."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import certifi
import pycurl
from typing_extensions import override

from outgoing.network import NetworkPolicy, peer_allowed
from outgoing.types import FailureKind, HttpRequest, HttpResponse, TransportFailure

_SOCKET_BAD: int = pycurl.SOCKET_BAD
_UPLOAD_BUFFER = 16 * 1024  # bytes, the smallest possible; libcurl's default of 64 KiB takes 28 MB in a full window
_DISALLOW_USERNAME_IN_URL = 278  # CURLOPT_DISALLOW_USERNAME_IN_URL, which pycurl does not name
_TLS_CODES = {35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91}
_RESET_CODES = {8, 16, 18, 52, 55, 56, 92}
_KINDS = {
    1: FailureKind.REFUSED_ADDRESS,  # a scheme other than the one the handle speaks
    5: FailureKind.DNS,
    6: FailureKind.DNS,
    7: FailureKind.CONNECT,
    23: FailureKind.TOO_LARGE,
    28: FailureKind.TIMEOUT,
    63: FailureKind.TOO_LARGE,
    **dict.fromkeys(_TLS_CODES, FailureKind.TLS),
    **dict.fromkeys(_RESET_CODES, FailureKind.RESET),
}


class Limits(NamedTuple):
    """Seconds and bytes. libcurl itself refuses more than 300 KiB of response headers."""

    connect_timeout: float = 5.0
    total_timeout: float = 10.0
    max_body: int = 64 * 1024


class Slot:
    """A reusable easy handle, and what its transfer collects. The callbacks are C functions: Python's cost twice as
    much."""

    __slots__ = ("body", "curl", "headers", "opened", "refused", "sent", "tag")

    def __init__(self, policy: NetworkPolicy, limits: Limits, ca_file: str, *, tls: bool) -> None:
        self.curl = curl = pycurl.Curl()
        self.body = BytesIO()
        self.headers: list[bytes] = []
        self.sent: Mapping[str, str] | None = None
        self.opened: list[socket.socket] = []
        self.refused = False
        self.tag: object = None
        set_ = curl.setopt
        set_(pycurl.WRITEDATA, self.body)
        set_(pycurl.HEADERFUNCTION, self.headers.append)
        set_(pycurl.OPENSOCKETFUNCTION, partial(self._open_socket, policy, tls))
        set_(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS if tls else pycurl.PROTO_HTTP)
        set_(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        set_(pycurl.FOLLOWLOCATION, 0)
        set_(pycurl.PROXY, "")  # an empty string also disables http_proxy and similar variables
        set_(pycurl.NETRC, pycurl.NETRC_IGNORED)
        set_(_DISALLOW_USERNAME_IN_URL, 1)
        set_(pycurl.PATH_AS_IS, 1)
        set_(pycurl.HTTP09_ALLOWED, 0)
        set_(pycurl.NOSIGNAL, 1)
        set_(pycurl.TCP_NODELAY, 1)
        set_(pycurl.USERAGENT, "pushhub")
        set_(pycurl.CAINFO, os.fsencode(ca_file))  # pycurl takes ASCII text only; a path may have other characters
        set_(pycurl.CONNECTTIMEOUT_MS, int(limits.connect_timeout * 1000))
        set_(pycurl.TIMEOUT_MS, int(limits.total_timeout * 1000))
        set_(pycurl.UPLOAD_BUFFERSIZE, _UPLOAD_BUFFER)
        set_(pycurl.MAXFILESIZE, limits.max_body)  # also stops bodies of unannounced length (libcurl ≥ 8.4)

    def _open_socket(self, policy: NetworkPolicy, tls: bool, purpose: int, address: Any) -> socket.socket | int:
        family, kind, protocol, peer = address
        if family in (socket.AF_INET, socket.AF_INET6) and peer_allowed(policy, peer[0], tls):
            # pycurl duplicates the descriptor; this one is closed with the transfer.
            self.opened.append(socket.socket(family, kind, protocol))
            return self.opened[-1]
        self.refused = True
        return _SOCKET_BAD

    def prepare(self, request: HttpRequest) -> None:
        """Raises ValueError, TypeError or pycurl.error for what cannot be sent."""
        curl = self.curl
        curl.setopt(pycurl.URL, request.url)
        if request.method == "POST":
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.POSTFIELDS, request.body)
        elif request.method == "GET":
            curl.setopt(pycurl.HTTPGET, 1)
        else:
            raise ValueError("only GET and POST are supported")
        if request.headers is not self.sent:  # messages of one broadcast share them
            curl.setopt(pycurl.HTTPHEADER, _header_lines(request.headers))
            self.sent = request.headers

    def response(self) -> HttpResponse:
        curl = self.curl
        return HttpResponse(
            curl.getinfo(pycurl.RESPONSE_CODE),
            Fields(tuple(self.headers)),
            self.body.getvalue(),
            curl.getinfo(pycurl.TOTAL_TIME),
        )

    def failure(self, code: int) -> TransportFailure:
        """A refused address is final, so it is reported only where the policy allowed none of a name's addresses. With
        DNS64, each name has a refused address in addition to one that may time out."""
        kind = _KINDS.get(code, FailureKind.OTHER)
        if self.refused and not self.opened and kind is FailureKind.CONNECT:
            kind = FailureKind.REFUSED_ADDRESS
        return TransportFailure(kind, f"curl error {code}", self.curl.getinfo(pycurl.TOTAL_TIME))

    def clear(self) -> None:
        self.headers.clear()
        self.body.seek(0)
        self.body.truncate()
        for opened in self.opened:
            opened.close()
        self.opened.clear()
        self.refused = False
        self.tag = None


def default_ca_file() -> str:
    """SSL_CERT_FILE, as OpenSSL's own tools read it, or Mozilla's roots."""
    return os.environ.get("SSL_CERT_FILE") or certifi.where()


class Fields(Mapping[str, str]):
    """A response's header fields by lower case name. They are parsed at first use: accepted messages need none."""

    __slots__ = ("_fields", "_lines")

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self._fields: dict[str, str] | None = None

    @override
    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    @override
    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, str]:
        if self._fields is None:
            self._fields = headers_parse(self._lines)
        return self._fields


def _header_lines(headers: Mapping[str, str]) -> list[str]:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    text = "".join(lines)
    if "\n" in text or "\r" in text:
        raise ValueError("a header holds a line break")
    return [*lines, "Expect:", "Accept:"]  # no 100-continue round trip, and not libcurl's default for Accept


def headers_parse(lines: Sequence[bytes]) -> dict[str, str]:
    """The last header block: 1xx responses come before the final one. Repeated fields are joined by RFC 9110 §5.3."""
    fields: dict[str, str] = {}
    for line in b"".join(lines).decode("latin-1").split("\r\n"):
        if line.startswith("HTTP/"):
            fields.clear()
            continue
        name, colon, value = line.partition(":")
        if colon:
            key, text = name.lower(), value.strip()
            fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields
