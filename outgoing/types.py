"""Requests, responses and failures of the one HTTP client. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FailureKind(StrEnum):
    """Why there is no HTTP response."""

    TIMEOUT = "timeout"
    CONNECT = "connect"
    DNS = "dns"
    REFUSED_ADDRESS = "refused_address"  # the network policy refused the address, the port or the scheme
    TLS = "tls"
    RESET = "reset"
    TOO_LARGE = "too_large"  # the response is larger than the limit
    OTHER = "other"


@dataclass(slots=True)
class HttpRequest:
    """One outgoing request. Everything but the method may contain a secret, so `repr` shows only the method.

    `headers` are not changed afterwards: requests may share them, and handles keep what was built from them.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    method: str = "POST"


@dataclass(slots=True)
class HttpResponse:
    """A response. Header names are in lower case; the body is complete (an oversized one is a TransportFailure)."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class TransportFailure:
    """There is no response. `detail` never contains the URL."""

    kind: FailureKind
    detail: str = ""
    elapsed: float = 0.0


class TransportError(Exception):
    """`outgoing.http.fetch` got no response; `failure` says why."""

    def __init__(self, failure: TransportFailure) -> None:
        super().__init__(f"{failure.kind}: {failure.detail}")
        self.failure = failure
