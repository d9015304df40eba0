"""Serializers of bodies and queries. They refuse unknown fields and values of another JSON type."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

from rest_framework import fields, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from typing_extensions import override

from pushhub.http.fast_validation import fast_validate
from pushhub.http.parsing import MAX_INTEGER
from pushhub.kernel.errors import MAX_ERRORS

MAX_LITERAL = 100  # characters of a UUID, a date or a choice

_Serializer = TypeVar("_Serializer", bound=serializers.Serializer[Any])


@cache
def shared(serializer: type[_Serializer]) -> _Serializer:
    """One instance for all requests. `run_validation` and `to_representation` store nothing in it. Creating an instance
    copies all fields of its class, which takes longer than using them."""
    return serializer()


class StrictSerializer(serializers.Serializer[Any]):
    """A JSON object. Unknown members and values of another JSON type than the field's are errors with a pointer. No
    value is converted: "5" is not a number, and 1 is not true.

    Sizes are checked first: of the object, and of each list and string. So the cost of an invalid body depends on the
    limits of the fields and not on what the caller sends. DRF checks `max_length` after the members of a list.
    """

    default_error_messages = {"invalid": "Must be a JSON object."}

    @override
    def to_internal_value(self, data: Any) -> Any:
        faults = self._faults(data) if isinstance(data, dict) else {}
        try:
            value = super().to_internal_value(_without(data, faults) if faults else data)
        except ValidationError as error:
            raise ValidationError({**cast(dict[str, Any], error.detail), **faults}) from None
        if faults:
            raise ValidationError(faults)
        return value

    def _faults(self, data: dict[str, Any]) -> dict[str, Any]:
        """The members that the fields need not validate any more. Raises ValidationError for far too many members."""
        writable = {field.field_name: field for field in self._writable_fields}
        if len(data) > len(writable) + MAX_ERRORS:
            raise ValidationError(f"Has {len(data)} members; this object has only {len(writable)} fields.")
        faults: dict[str, Any] = {}
        for name, value in data.items():
            fault = type_fault(writable[name], value) if name in writable else ["Unknown field."]
            if fault:
                faults[name] = fault
        return faults

    @classmethod
    def read(cls, request: Request) -> Any:
        """The validated body. Raises ValidationError, which becomes a 422 with pointers."""
        return fast_validate(cls, request.data) or shared(cls).run_validation(request.data)


class QuerySerializer(serializers.Serializer[Any]):
    """The parameters of the query string. Unknown and repeated parameters are errors with the pointer `?name`."""

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
                faults[f"?{name}"] = ["Must occur only once."]
        if faults or not valid:
            raise ValidationError(faults)
        validated: dict[str, Any] = serializer.validated_data
        return validated


class ListQuery(QuerySerializer):
    """The parameters of every list. A list with filters adds its own."""

    cursor = serializers.CharField(required=False, max_length=1000, help_text="The previous page's `next`.")
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=200, help_text="Page size; the default is 50."
    )


def type_fault(field: fields.Field[Any, Any, Any, Any], value: Any) -> Any:
    """None if `value` has the JSON type of `field` and is not too large for it, otherwise error details in DRF's format
    (nested for lists and maps)."""
    if value is None:
        return None  # the field itself decides whether null is allowed
    if fault := _size_fault(field, value):
        return fault
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


def _size_fault(field: Any, value: Any) -> list[str] | None:
    """Before any member of the list or map, or any character of the string, is examined."""
    if not isinstance(value, list | dict | str):
        return None
    literal = isinstance(field, fields.UUIDField | fields.ChoiceField | fields.DateTimeField)
    limit = MAX_LITERAL if literal else getattr(field, "max_length", None)
    if limit is None or len(value) <= limit:
        return None
    return [
        str(field.error_messages.get("max_length", "Must have at most {max_length} characters.")).format(
            max_length=limit
        )
    ]


def _without(data: dict[str, Any], faults: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in faults}


def _members_fault(child: Any, members: Iterable[tuple[Any, Any]]) -> dict[Any, Any] | None:
    return {name: fault for name, item in members if (fault := type_fault(child, item))} or None


WHOLE_OBJECT = api_settings.NON_FIELD_ERRORS_KEY
