"""A fast validation of valid bodies for a StrictSerializer. It uses the same fields without DRF's overhead.

A body that is not clearly valid is left to the serializer, which decides and writes the error messages. So the rules
exist once. Only the limits on lengths and nulls are repeated here; a property test compares them with DRF's.
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


class Undecided(Exception):
    """The serializer must decide."""


def fast_validate(kind: type[Serializer[Any]], data: Any) -> dict[str, Any] | None:
    """The validated data of the serializer `kind`, or None if the serializer itself must decide."""
    plan = _plan(kind)
    if plan is None or type(data) is not dict or not plan.required <= data.keys():
        return None
    try:
        return {name: plan.reads[name](value) for name, value in data.items()}
    except (KeyError, Undecided, ValidationError):
        return None


class _Plan:
    def __init__(self, reads: dict[str, Read], required: set[str]) -> None:
        self.reads = reads
        self.required = required


@cache
def _plan(kind: type[Serializer[Any]]) -> _Plan | None:
    """None for a serializer with its own validation methods or with a field that this module does not support."""
    own_methods = {name for name in dir(kind) if name.startswith("validate_")} - set(dir(Serializer))
    if own_methods or kind.validate is not Serializer.validate:
        return None
    found = kind().fields
    reads = {name: _read(field) for name, field in found.items()}
    special = any(field.default is not fields.empty or field.source != name for name, field in found.items())
    if special or None in reads.values():
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
    max_length = field.max_length if field.max_length is not None else 2**31
    blank, convert = field.allow_blank, field.to_internal_value

    def read(value: Any) -> str:
        if type(value) is not str or len(value) > max_length or not (value or blank) or _SURROGATE.search(value):
            raise Undecided
        return convert(value)

    return read


def _choice(field: Any) -> Read:
    choices = frozenset(choice for choice in field.choices if isinstance(choice, str) and choice)

    def read(value: Any) -> str:
        if type(value) is not str or value not in choices:
            raise Undecided
        return value

    return read


def _list(field: Any) -> Read | None:
    child = _read(field.child)
    max_length = field.max_length if field.max_length is not None else 2**31
    if child is None:
        return None

    def read(value: Any) -> list[Any]:
        if type(value) is not list or len(value) > max_length:
            raise Undecided
        return [child(item) for item in value]

    return read
