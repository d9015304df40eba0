"""Requests, responses and failures of the one HTTP client. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FailureKind(StrEnum):
    """Why no HTTP answer came back."""

    TIMEOUT = "timeout"
    CONNECT = "connect"
    DNS = "dns"
    REFUSED_ADDRESS = "refused_address"  # our network policy refused the peer, the port or the scheme
    TLS = "tls"
    RESET = "reset"
    TOO_LARGE = "too_large"  # the answer exceeded what we are willing to read
    OTHER = "other"


@dataclass(slots=True)
class HttpRequest:
    """One outgoing request. Everything but the method may hold a secret, so `repr` shows only that.

    `headers` are not changed afterwards: requests may share them, and what was made of them.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    method: str = "POST"


@dataclass(slots=True)
class HttpResponse:
    """An answer: header names in lower case, body cut off at nothing (an oversized one is a TransportFailure)."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class TransportFailure:
    """No answer. `detail` never holds the URL."""

    kind: FailureKind
    detail: str = ""
    elapsed: float = 0.0


class TransportError(Exception):
    """`outgoing.http.fetch` got no answer; `failure` says why."""

    def __init__(self, failure: TransportFailure) -> None:
        super().__init__(f"{failure.kind}: {failure.detail}")
        self.failure = failure
