"""Toy Push's endpoint and credentials."""

from dataclasses import dataclass, field

from providers.types import Credentials, Endpoint


@dataclass(slots=True, kw_only=True)
class ToyEndpoint(Endpoint):
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyCredentials(Credentials):
    url: str
    key: str = field(repr=False)
