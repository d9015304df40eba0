"""What bodies are made of: objects that know their fields, and fields that take exactly their own JSON type."""

import json
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, TypeVar, cast
from zoneinfo import available_timezones

from rest_framework import fields, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from typing_extensions import override

from pushhub.parsing import MAX_INTEGER

# Bidirectional overrides and isolates make a text show otherwise than it is stored (CVE-2021-42574).
BIDI = "\u202a-\u202e\u2066-\u2069"
CONTROLS = "\x00-\x1f\x7f-\x9f"
_UNSAFE_LINE = re.compile(f"[{CONTROLS}{BIDI}]")
_UNSAFE_TEXT = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI}]")
_Serializer = TypeVar("_Serializer", bound=serializers.Serializer[Any])
_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


@cache
def shared(serializer: type[_Serializer]) -> _Serializer:
    """One instance for every request: `run_validation` and `to_representation` keep nothing in it, and each instance
    copies all the fields of its class, which takes longer than using them."""
    return serializer()


class StrictSerializer(serializers.Serializer[Any]):
    """An object of named members. Unknown members, and values of another JSON type than the field's, are errors with
    their pointer: nothing is guessed, so "5" is no number and 1 is no true."""

    default_error_messages = {"invalid": "Must be a JSON object."}

    @override
    def to_internal_value(self, data: Any) -> Any:
        faults: dict[str, Any] = {}
        if isinstance(data, dict):
            writable = {field.field_name: field for field in self._writable_fields}
            for name, value in data.items():
                fault = type_fault(writable[name], value) if name in writable else ["Unknown field."]
                if fault:
                    faults[name] = fault
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**cast(dict[str, Any], error.detail), **faults}) from None
        if faults:
            raise ValidationError(faults)
        return value

    @classmethod
    def read(cls, request: Request) -> Any:
        """The validated body. Raises ValidationError, which is answered as 422 with pointers."""
        from pushhub.quick import quick_read  # which knows the fields of this module

        return quick_read(cls, request.data) or shared(cls).run_validation(request.data)


class QuerySerializer(serializers.Serializer[Any]):
    """The query string's parameters: unknown or repeated ones are errors whose pointer is `?name`."""

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """The validated parameters. Raises ValidationError."""
        serializer = cls(data=request.query_params.dict())
        valid = serializer.is_valid()
        faults = {f"?{name}": fault for name, fault in serializer.errors.items()}
        for name, values in request.query_params.lists():
            if name not in serializer.fields:
                faults[f"?{name}"] = ["Unknown parameter."]
            elif len(values) > 1:
                faults[f"?{name}"] = ["Give it once."]
        if faults or not valid:
            raise ValidationError(faults)
        validated: dict[str, Any] = serializer.validated_data
        return validated


class ListQuery(QuerySerializer):
    """What every list takes; a list with filters adds its own."""

    cursor = serializers.CharField(required=False, max_length=1000, help_text="The previous page's `next`.")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=200, help_text="Page size; 50 if left out.")


def type_fault(field: fields.Field[Any, Any, Any, Any], value: Any) -> Any:
    """None if `value` has the JSON type of `field`, else error details shaped as DRF's (nested for lists and maps)."""
    if value is None:
        return None  # whether null is allowed is the field's own business
    if isinstance(field, fields.ListField):
        return _members_fault(field.child, enumerate(value)) if isinstance(value, list) else ["Must be a JSON array."]
    if isinstance(field, fields.DictField):
        return _members_fault(field.child, value.items()) if isinstance(value, dict) else ["Must be a JSON object."]
    if isinstance(field, fields.BooleanField):
        return None if isinstance(value, bool) else ["Must be true or false."]
    if isinstance(field, fields.IntegerField):
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        fits = whole and not isinstance(value, bool) and abs(value) <= MAX_INTEGER
        return None if fits else ["Must be a whole number of at most 64 bits."]
    if isinstance(field, fields.FloatField | fields.DecimalField):
        return None if isinstance(value, int | float) and not isinstance(value, bool) else ["Must be a number."]
    if isinstance(field, fields.CharField | fields.UUIDField | fields.ChoiceField | fields.DateTimeField):
        return None if isinstance(value, str) else ["Must be a string."]
    return None


def _members_fault(child: Any, members: Iterable[tuple[Any, Any]]) -> dict[Any, Any] | None:
    return {name: fault for name, item in members if (fault := type_fault(child, item))} or None


class SafeTextField(serializers.CharField):
    """Text kept as it was sent (not trimmed), without control characters and without bidirectional overrides.
    With `multiline`, tab and line feed are allowed."""

    default_error_messages = {"unsafe": "Contains a control or bidirectional formatting character."}

    def __init__(self, *, multiline: bool = False, **options: Any) -> None:
        self._unsafe = _UNSAFE_TEXT if multiline else _UNSAFE_LINE
        super().__init__(**{"trim_whitespace": False, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value: str = super().to_internal_value(data)
        if self._unsafe.search(value):
            self.fail("unsafe")
        return value


class LocaleField(SafeTextField):
    """A language tag in BCP 47 shape, such as pt-BR; at most 35 characters (RFC 5646 §4.4.1)."""

    default_error_messages = {"locale": "Must be a BCP 47 language tag, such as pt-BR."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 35, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if value and not _LOCALE.fullmatch(value):
            self.fail("locale")
        return value


class TimezoneField(SafeTextField):
    """A zone of the IANA time zone database, such as Europe/Lisbon."""

    default_error_messages = {"timezone": "Must be an IANA time zone, such as Europe/Lisbon."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 64, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if value and value not in _zones():
            self.fail("timezone")
        return value


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class UserIdField(SafeTextField):
    """The tenant's own id of a person, 1 to 255 characters. It stands in addresses, so no segment of it is `.` or
    `..`."""

    default_error_messages = {"segment": "May not have the segments '.' or '..'."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 255, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if {".", ".."} & set(value.split("/")):
            self.fail("segment")
        return value


class MomentField(serializers.DateTimeField):
    """A moment as in RFC 3339: with its offset, so that nobody guesses the time zone. Read and written in UTC."""

    default_error_messages = {"naive": "Must end with Z or an offset such as +01:00."}
    _offset = re.compile(r"([zZ]|[+-]\d\d:?\d\d)$")

    @override
    def to_internal_value(self, value: Any) -> Any:
        if isinstance(value, str) and not self._offset.search(value):
            self.fail("naive")
        return super().to_internal_value(value)


class JsonObjectField(serializers.JSONField):
    """A JSON object of the caller's own making, at most `max_bytes` when serialized and `max_depth` levels deep."""

    default_error_messages = {
        "object": "Must be a JSON object.",
        "bytes": "Must be at most {max_bytes} bytes of JSON.",
        "depth": "Must not be nested deeper than {max_depth} levels.",
    }

    def __init__(self, *, max_bytes: int = 8192, max_depth: int = 8, **options: Any) -> None:
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        super().__init__(**options)

    @override
    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("object")
        if len(_compact(data).encode()) > self._max_bytes:
            self.fail("bytes", max_bytes=self._max_bytes)
        if _depth(data) > self._max_depth:
            self.fail("depth", max_depth=self._max_depth)
        return data


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # json.dumps makes one with each call


def _depth(value: dict[str, Any] | list[Any]) -> int:
    members = value.values() if isinstance(value, dict) else value
    return 1 + max((_depth(member) for member in members if isinstance(member, dict | list)), default=0)


WHOLE_OBJECT = api_settings.NON_FIELD_ERRORS_KEY
