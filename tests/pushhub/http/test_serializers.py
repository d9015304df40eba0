"""A field accepts only its own JSON type. An error has the pointer of the field."""

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from pushhub.http.api import (
    JsonObjectField,
    LocaleField,
    MomentField,
    SafeTextField,
    StrictSerializer,
    TimezoneField,
    UserIdField,
    field_errors,
)


class Inner(StrictSerializer):
    name = SafeTextField()


class Body(StrictSerializer):
    title = SafeTextField(required=False, max_length=10)
    body = SafeTextField(required=False, multiline=True)
    count = serializers.IntegerField(required=False)
    on = serializers.BooleanField(required=False)
    ratio = serializers.FloatField(required=False)
    kind = serializers.ChoiceField(required=False, choices=["1", "b"])
    id = serializers.UUIDField(required=False)
    tags = serializers.ListField(required=False, child=serializers.CharField())
    words = serializers.DictField(required=False, child=serializers.CharField())
    inner = Inner(required=False)
    inners = Inner(required=False, many=True)
    locale = LocaleField(required=False)
    timezone = TimezoneField(required=False)
    user_id = UserIdField(required=False, allow_null=True)
    at = MomentField(required=False)
    blob = JsonObjectField(required=False, max_bytes=20, max_depth=2)


def errors_of(data: object) -> dict[str, str]:
    serializer = Body(data=data)
    with pytest.raises(ValidationError) as caught:
        serializer.is_valid(raise_exception=True)
    return {error.pointer: error.detail for error in field_errors(caught.value.detail)}


@pytest.mark.parametrize(
    ("data", "pointer", "words"),
    [
        ([], "", "JSON object"),
        ("text", "", "JSON object"),
        ({"colour": 1}, "/colour", "Unknown"),
        ({"a/b~": 1}, "/a~1b~0", "Unknown"),
        ({"inner": {"name": "x", "extra": 1}}, "/inner/extra", "Unknown"),
        ({"inner": []}, "/inner", "JSON object"),
        ({"inners": [{"name": "x"}, {}]}, "/inners/1/name", "required"),
        ({"inners": {}}, "/inners", "list"),
        ({"title": 5}, "/title", "string"),
        ({"title": None}, "/title", "null"),
        ({"title": "a\u202eb"}, "/title", "bidirectional"),
        ({"title": "a\nb"}, "/title", "control"),
        ({"title": "a\x85b"}, "/title", "control"),
        ({"title": "x" * 11}, "/title", "10 characters"),
        ({"body": "a\rb"}, "/body", "control"),
        ({"count": "5"}, "/count", "whole number"),
        ({"count": True}, "/count", "whole number"),
        ({"count": 1.5}, "/count", "whole number"),
        ({"count": 1e300}, "/count", "64 bits"),
        ({"on": 1}, "/on", "true or false"),
        ({"on": "true"}, "/on", "true or false"),
        ({"ratio": "1.0"}, "/ratio", "number"),
        ({"kind": 1}, "/kind", "string"),
        ({"id": 1}, "/id", "string"),
        ({"tags": ["a", 1]}, "/tags/1", "string"),
        ({"tags": "a"}, "/tags", "array"),
        ({"words": {"a": 1}}, "/words/a", "string"),
        ({"locale": "pt_BR"}, "/locale", "BCP 47"),
        ({"timezone": "Europe/Atlantis"}, "/timezone", "IANA"),
        ({"timezone": "../../etc/passwd"}, "/timezone", "IANA"),
        ({"user_id": ""}, "/user_id", "blank"),
        ({"user_id": "a/../b"}, "/user_id", "segments"),
        ({"at": "2026-01-01T00:00:00"}, "/at", "offset"),
        ({"at": "0001-01-01T00:00:00+23:59"}, "/at", "out of range"),
        ({"blob": []}, "/blob", "JSON object"),
        ({"blob": {"a": "x" * 20}}, "/blob", "20 bytes"),
        ({"blob": {"a": {"b": {}}}}, "/blob", "2 levels"),
    ],
)
def test_an_invalid_value_is_an_error_with_a_pointer(data: object, pointer: str, words: str) -> None:
    errors = errors_of(data)
    assert list(errors) == [pointer]
    assert words in errors[pointer]


def test_all_errors_are_reported_together() -> None:
    assert set(errors_of({"count": "5", "colour": 1, "title": 2, "locale": "?"})) == {
        "/count",
        "/colour",
        "/title",
        "/locale",
    }


def test_valid_values_are_returned_unchanged() -> None:
    data = {
        "title": " spaced ",
        "body": "a\n\tb",
        "count": 3,
        "on": False,
        "kind": "b",
        "tags": ["a"],
        "user_id": "a|b",
    }
    serializer = Body(data=data)
    serializer.is_valid(raise_exception=True)
    assert serializer.validated_data == data
