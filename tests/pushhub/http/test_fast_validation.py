"""The fast way answers what the serializer answers, or nothing."""

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
names = texts.filter(lambda text: "\ud800" not in text)  # the parser lets no surrogates through
maps = st.dictionaries(names, names, max_size=3)
values = st.one_of(texts, st.none(), st.booleans(), st.integers(), st.lists(texts, max_size=3), maps)
bodies = st.dictionaries(st.sampled_from([*Sample().fields, "unknown"]), values, max_size=5)


@settings(max_examples=600, derandomize=True, deadline=None, database=None)
@given(body=st.builds(lambda base, more: base | more, st.just({"text": "x"}), bodies))
def test_what_it_takes_the_serializer_takes_and_makes_the_same_of(body: dict[str, Any]) -> None:
    quick = fast_validate(Sample, body)
    if quick is not None:
        assert quick == Sample().run_validation(body)


RIGHT: dict[str, Any] = {
    "text": "a",
    "blank": None,
    "locale": "pt",
    "zone": "",
    "user": "u",
    "choice": "one",
    "tags": ["x"],
    "extra": {},
}


def test_it_takes_what_is_right() -> None:
    assert fast_validate(Sample, RIGHT) == RIGHT


@pytest.mark.parametrize("kind", [DeviceRegistrationSerializer, LineSerializer])
def test_registrations_go_this_way(kind: type[StrictSerializer]) -> None:
    body = {"platform": "ios", "token": "0f" * 32}
    body |= {"device_id": "7c0e8a52-55ce-4f7e-9a0b-0d6c1d9d2f11"} if kind is LineSerializer else {}
    assert fast_validate(kind, body) == body


class OwnSay(Sample):
    def validate_text(self, value: str) -> str:
        return value.upper()


class Whole(Sample):
    @override
    def validate(self, attrs: Any) -> Any:
        return attrs


class Inherited(OwnSay):
    pass


class Default(StrictSerializer):
    text = SafeTextField(default="x")


class Renamed(StrictSerializer):
    text = SafeTextField(source="other")


class Unknown(StrictSerializer):
    number = serializers.IntegerField()


@pytest.mark.parametrize("kind", [OwnSay, Whole, Inherited, Default, Renamed])
def test_serializers_with_a_say_of_their_own_are_asked(kind: type[StrictSerializer]) -> None:
    assert fast_validate(kind, {"text": "a"}) is None


def test_fields_it_does_not_know_are_the_serializers() -> None:
    assert fast_validate(Unknown, {"number": 1}) is None
