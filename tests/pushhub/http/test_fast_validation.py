"""The fast validation returns the same as the serializer, or nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework import serializers
from typing_extensions import override

from devices.api.serializers import DeviceRegistrationSerializer
from devices.bulk.lines import LineSerializer
from pushhub.http.api import JsonObjectField, LocaleField, SafeTextField, StrictSerializer, TimezoneField, UserIdField
from pushhub.http.fast_validation import fast_validate


class Sample(StrictSerializer):
    text = SafeTextField(max_length=5)
    blank = SafeTextField(required=False, allow_blank=True, allow_null=True)
    locale = LocaleField(required=False)
    zone = TimezoneField(required=False, allow_blank=True)
    user = UserIdField(required=False)
    choice = serializers.ChoiceField(["one", "two"], required=False)
    tags = serializers.ListField(child=SafeTextField(max_length=3), required=False, max_length=2)
    extra = JsonObjectField(required=False, max_bytes=40)


texts = st.one_of(
    st.sampled_from(["", "one", "two", "pt-BR", "Europe/Lisbon", "a/..", " ", "\u202e", "\x00", "\ud800", "xxxxxx"]),
    st.text(max_size=6),
)
names = texts.filter(lambda text: "\ud800" not in text)  # the parser refuses surrogates
maps = st.dictionaries(names, names, max_size=3)
values = st.one_of(texts, st.none(), st.booleans(), st.integers(), st.lists(texts, max_size=3), maps)
bodies = st.dictionaries(st.sampled_from([*Sample().fields, "unknown"]), values, max_size=5)


@settings(max_examples=600, derandomize=True, deadline=None, database=None)
@given(body=st.builds(lambda base, more: base | more, st.just({"text": "x"}), bodies))
def test_a_result_is_equal_to_that_of_the_serializer(body: dict[str, Any]) -> None:
    validated = fast_validate(Sample, body)
    if validated is not None:
        assert validated == Sample().run_validation(body)


VALID: dict[str, Any] = {
    "text": "a",
    "blank": None,
    "locale": "pt",
    "zone": "",
    "user": "u",
    "choice": "one",
    "tags": ["x"],
    "extra": {},
}


def test_a_valid_body_is_validated() -> None:
    assert fast_validate(Sample, VALID) == VALID


@pytest.mark.parametrize("kind", [DeviceRegistrationSerializer, LineSerializer])
def test_registrations_are_validated(kind: type[StrictSerializer]) -> None:
    body = {"platform": "ios", "token": "0f" * 32}
    body |= {"device_id": "7c0e8a52-55ce-4f7e-9a0b-0d6c1d9d2f11"} if kind is LineSerializer else {}
    assert fast_validate(kind, body) == body


class FieldMethod(Sample):
    def validate_text(self, value: str) -> str:
        return value.upper()


class ObjectMethod(Sample):
    @override
    def validate(self, attrs: Any) -> Any:
        return attrs


class InheritedMethod(FieldMethod):
    pass


class Default(StrictSerializer):
    text = SafeTextField(default="x")


class Renamed(StrictSerializer):
    text = SafeTextField(source="other")


class Unsupported(StrictSerializer):
    number = serializers.IntegerField()


@pytest.mark.parametrize("kind", [FieldMethod, ObjectMethod, InheritedMethod, Default, Renamed])
def test_a_serializer_with_its_own_rules_decides_itself(kind: type[StrictSerializer]) -> None:
    assert fast_validate(kind, {"text": "a"}) is None


def test_a_serializer_with_an_unsupported_field_decides_itself() -> None:
    assert fast_validate(Unsupported, {"number": 1}) is None
