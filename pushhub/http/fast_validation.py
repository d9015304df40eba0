"""The fast way through a StrictSerializer for bodies that are right: the same fields, without the machinery around.

What is not plainly right falls back to the serializer itself, which decides and words the errors. So there is one set
of rules; here are only the limits of lengths and nulls, held against DRF's own by a property test.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from rest_framework import fields
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import Serializer

from pushhub.http.fields import JsonObjectField, SafeTextField

Read = Callable[[Any], Any]

_SURROGATE = re.compile("[\ud800-\udfff]")


class NotPlain(Exception):
    """Ask the serializer."""


def fast_validate(kind: type[Serializer[Any]], data: Any) -> dict[str, Any] | None:
    """What `kind` would make of `data`, or None if it takes the serializer to tell."""
    plan = _plan(kind)
    if plan is None or type(data) is not dict or not plan.required <= data.keys():
        return None
    try:
        return {name: plan.reads[name](value) for name, value in data.items()}
    except (KeyError, NotPlain, ValidationError):
        return None


class _Plan:
    def __init__(self, reads: dict[str, Read], required: set[str]) -> None:
        self.reads = reads
        self.required = required


@cache
def _plan(kind: type[Serializer[Any]]) -> _Plan | None:
    """None for serializers with a say of their own, or a field that is not known here."""
    own_rules = {name for name in dir(kind) if name.startswith("validate_")} - set(dir(Serializer))
    if own_rules or kind.validate is not Serializer.validate:
        return None
    found = kind().fields
    reads = {name: _read(field) for name, field in found.items()}
    own = any(field.default is not fields.empty or field.source != name for name, field in found.items())
    if own or None in reads.values():
        return None
    return _Plan(reads, {name for name, field in found.items() if field.required})  # type: ignore[arg-type]


def _read(field: Any) -> Read | None:
    read: Read | None = None
    if isinstance(field, SafeTextField) and field.min_length is None:
        read = _text(field)
    elif isinstance(field, JsonObjectField) and not field.validators:
        read = field.to_internal_value
    elif type(field) is fields.ChoiceField:
        read = _choice(field)
    elif type(field) is fields.ListField and field.min_length is None and field.allow_empty:
        read = _list(field)
    return _or_null(read) if read and field.allow_null else read


def _or_null(read: Read) -> Read:
    return lambda value: None if value is None else read(value)


def _text(field: SafeTextField) -> Read:
    most = field.max_length if field.max_length is not None else 2**31
    blank, convert = field.allow_blank, field.to_internal_value

    def read(value: Any) -> str:
        if type(value) is not str or len(value) > most or not (value or blank) or _SURROGATE.search(value):
            raise NotPlain
        return convert(value)

    return read


def _choice(field: Any) -> Read:
    choices = frozenset(choice for choice in field.choices if isinstance(choice, str) and choice)

    def read(value: Any) -> str:
        if type(value) is not str or value not in choices:
            raise NotPlain
        return value

    return read


def _list(field: Any) -> Read | None:
    child = _read(field.child)
    most = field.max_length if field.max_length is not None else 2**31
    if child is None:
        return None

    def read(value: Any) -> list[Any]:
        if type(value) is not list or len(value) > most:
            raise NotPlain
        return [child(item) for item in value]

    return read
