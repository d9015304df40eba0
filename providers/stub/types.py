"""The stub's endpoint and credentials."""

from dataclasses import dataclass, field

from providers.types import Credentials, Endpoint


@dataclass(slots=True, kw_only=True)
class StubEndpoint(Endpoint):
    """A scripted device: `stub:ok`, `stub:gone`, `stub:retry`, `stub:reject`, `stub:misconfigured`, `stub:slow`."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StubCredentials(Credentials):
    """`url` is where `providers.stub.server` listens."""

    url: str
