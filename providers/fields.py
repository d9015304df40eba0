"""Fields of a request body, described without a web framework. `devices.api.provider_fields` makes serializers of them.

A field is optional unless it says `required`: one body is described by the fields of all providers together, and the
provider that is meant checks what it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """`help` is shown in the API's description."""

    name: str
    help: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Field):
    """A string of at most `max_length` characters. `blank`: it may be empty; `multiline`: it may hold line breaks."""

    max_length: int
    blank: bool = False
    multiline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Field):
    """true or false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Field):
    """A JSON object that the provider reads itself. `schema` is its JSON Schema, for the API's description."""

    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Field):
    """A JSON object with `fields`. `component` is its name in the API's description."""

    component: str
    fields: tuple[Field, ...]


# What an operating system's push service gives to an app. Several vendors' devices bring it.
TOKEN = Text(name="token", max_length=4096, help="From APNs, FCM or ADM.")
