"""Limits come before work: what is too large is refused before its members are examined, with a short response."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from rest_framework import fields, serializers
from rest_framework.exceptions import ValidationError

from pushhub.http.fields import JsonObjectField
from pushhub.http.parsing import json_read
from pushhub.http.problems import field_errors
from pushhub.http.serializers import MAX_LITERAL, StrictSerializer
from pushhub.kernel.errors import MAX_ERRORS, ApiError

Case = tuple[type[StrictSerializer], str]


def bodies() -> Iterator[type[StrictSerializer]]:
    """The serializers of all request bodies, nested ones included: importing the routes defines them."""
    assert get_resolver().url_patterns
    todo = [StrictSerializer]
    while todo:
        for kind in todo.pop().__subclasses__():
            todo.append(kind)
            if not kind.__module__.startswith("tests."):
                yield kind


def field_of(body: StrictSerializer, name: str) -> Any:
    return body.fields[name]


def fields_of(*kinds: type[Any]) -> list[Case]:
    return sorted(
        ((body, name) for body in bodies() for name, field in body().fields.items() if isinstance(field, kinds)),
        key=lambda case: (case[0].__module__, case[0].__name__, case[1]),
    )


def named(case: object) -> str:
    return case.__name__ if isinstance(case, type) else str(case)


LISTS = fields_of(fields.ListField, fields.DictField, serializers.ListSerializer)
TEXTS = [(body, name) for body, name in fields_of(fields.CharField)]


def test_the_walk_finds_the_lists_of_all_routes() -> None:
    found = {f"{body.__name__}.{name}" for body, name in LISTS}
    assert {"ReceiptsSerializer.receipts", "AudienceSerializer.users", "ProfileSerializer.tags"} <= found


def test_every_text_has_a_limit() -> None:
    assert [case for case in TEXTS if field_of(case[0](), case[1]).max_length is None] == []


@pytest.mark.parametrize(("body", "name"), LISTS, ids=named)
def test_a_list_that_is_too_long_is_one_error_and_no_member_is_validated(
    body: type[StrictSerializer], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serializer = body()
    field, validated = field_of(serializer, name), list[Any]()
    monkeypatch.setattr(field.child, "run_validation", validated.append)
    assert field.max_length
    members: Any = [1] * (field.max_length + 1)
    if isinstance(field, fields.DictField):
        members = dict.fromkeys(map(str, range(len(members))), 1)
    with pytest.raises(ValidationError) as caught:
        serializer.run_validation({name: members})
    errors = [error for error in field_errors(caught.value.detail) if error.pointer.startswith(f"/{name}")]
    assert [error.pointer for error in errors] == [f"/{name}"]
    assert str(field.max_length) in errors[0].detail
    assert validated == []


@pytest.mark.parametrize(("body", "name"), TEXTS, ids=named)
def test_a_text_that_is_too_long_is_not_read(
    body: type[StrictSerializer], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serializer = body()
    field, read = field_of(serializer, name), list[Any]()
    monkeypatch.setattr(field, "to_internal_value", read.append)
    with pytest.raises(ValidationError):
        serializer.run_validation({name: "x" * (field.max_length + 1)})
    assert read == []


class Body(StrictSerializer):
    id = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(["a"], required=False)
    blob = JsonObjectField(required=False, max_bytes=100)


@pytest.mark.parametrize("name", ["id", "kind"])
def test_a_literal_that_is_too_long_is_not_repeated_in_the_error(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Body().run_validation({name: "x" * (MAX_LITERAL + 1)})
    (error,) = field_errors(caught.value.detail)
    assert error.detail == f"Must have at most {MAX_LITERAL} characters."


def test_an_object_with_far_too_many_members_is_one_error() -> None:
    with pytest.raises(ValidationError) as caught:
        Body().run_validation({str(index): 1 for index in range(1000)})
    assert [error.detail for error in field_errors(caught.value.detail)] == [
        "Has 1000 members; this object has only 3 fields."
    ]


def test_a_json_object_with_too_many_members_is_not_encoded() -> None:
    with pytest.raises(ValidationError, match="100 bytes"):
        Body().fields["blob"].to_internal_value({str(index): object() for index in range(26)})


def receipts(body: Any) -> Any:
    return Client().post("/v1/receipts", body if isinstance(body, bytes) else json.dumps(body), "application/json")


@pytest.mark.parametrize("member", ["{}", "1", '"x"', "[]", "null"])
def test_too_many_receipts_are_one_error(member: str) -> None:
    """The 50 kB that kept a process busy for 8 seconds."""
    response = receipts(b'{"receipts":[' + b",".join([member.encode()] * 10_000) + b"]}")
    problem = response.json()
    assert (response.status_code, len(problem["errors"])) == (422, 1)
    assert problem["errors"][0]["pointer"] == "/receipts"


def test_a_problem_document_lists_20_errors_and_counts_the_others() -> None:
    response = receipts({"receipts": [{}] * 100})
    problem = response.json()
    assert (len(problem["errors"]), problem["errors_omitted"]) == (MAX_ERRORS, 180)
    assert len(response.content) < 3000


def test_a_problem_document_is_not_longer_than_its_request() -> None:
    body = json.dumps({"receipts": [], **{f"{index}~{'~' * 2000}": 1 for index in range(20)}})
    response = receipts(body.encode())
    assert response.status_code == 422
    assert len(response.content) < len(body)
    assert response.json()["errors"][-1]["pointer"].endswith("…")


def test_an_anonymous_body_has_64_kib() -> None:
    assert receipts(b" " * (64 * 1024 + 1)).status_code == 413
    assert receipts(b" " * (64 * 1024)).status_code == 400


def test_pointers_are_not_built_for_values_without_an_error() -> None:
    """A long name above a long list took their product in memory."""
    raw = b'{"' + b"n" * 20_000 + b'\\u0041": [' + b"1," * 20_000 + b'"\\u0000"]}'
    tracemalloc.start()
    with pytest.raises(ApiError):
        json_read(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
