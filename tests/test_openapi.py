"""The OpenAPI document is valid and complete: every operation has its callers, its errors and examples."""

import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from rest_framework.views import APIView

from pushhub.http.api import ApiView
from pushhub.http.docs import METHODS, schema
from pushhub.kernel.errors import ErrorCode

OPERATIONS = {
    f"{method.upper()} {path}": item[method]
    for path, item in schema()["paths"].items()
    for method in METHODS
    if method in item
}


def codes(operation: dict[str, Any]) -> dict[int, list[str]]:
    """The error codes that an operation documents, by status."""
    return {
        int(status): response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
        for status, response in operation["responses"].items()
        if int(status) >= 400
    }


def assert_examples_fit(content: dict[str, Any], where: str) -> None:
    """Checks that examples are valid by the schema, and have no member that it does not describe."""
    assert content.get("examples"), f"no example: {where}"
    closed = _closed(content["schema"]) | {"components": _components()}
    for example in content["examples"].values():
        errors = [error.message for error in Draft202012Validator(closed).iter_errors(example["value"])]
        assert errors == [], where


@cache
def _components() -> Any:
    return _closed(schema()["components"])


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    described = {name: _closed(part) for name, part in node.items()}
    return {"additionalProperties": False} | described if isinstance(node.get("properties"), dict) else described


def headers(operation: str, status: str) -> set[str]:
    return set(OPERATIONS[operation]["responses"][status]["headers"])


def views() -> Iterator[type]:
    waiting: list[URLPattern | URLResolver] = list(get_resolver().url_patterns)
    while waiting:
        pattern = waiting.pop()
        if isinstance(pattern, URLResolver):
            waiting += pattern.url_patterns
        elif view := getattr(pattern.callback, "view_class", None):
            yield view


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(schema()).validate()


def test_the_generator_has_no_warnings() -> None:
    schema.cache_clear()
    GENERATOR_STATS.reset()
    schema()
    assert not GENERATOR_STATS


def test_every_view_of_the_api_uses_the_base_class() -> None:
    assert [view for view in views() if issubclass(view, APIView) and not issubclass(view, ApiView)] == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_a_summary_and_a_successful_response(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert any(status.startswith("2") for status in operation["responses"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_documents_the_errors_of_its_body_path_and_credential(name: str) -> None:
    operation, found = OPERATIONS[name], codes(OPERATIONS[name])
    expected = {400, 406, 503}
    if operation.get("security"):
        expected |= {401, 403, 429}
    if "requestBody" in operation:
        expected |= {413, 415, 422}
    if "{" in name:
        expected.add(404)
    assert expected <= set(found), f"missing: {sorted(expected - set(found))}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_error_has_an_example(name: str) -> None:
    for status, response in OPERATIONS[name]["responses"].items():
        if int(status) >= 400:
            content = response["content"]["application/problem+json"]
            for code in codes(OPERATIONS[name])[int(status)]:
                assert content["examples"][code]["value"]["code"] == code
                assert content["examples"][code]["summary"] == ErrorCode[code.upper()].spec.remedy


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if "requestBody" in operation])
def test_every_body_has_a_valid_example(name: str) -> None:
    for media_type, content in OPERATIONS[name]["requestBody"]["content"].items():
        assert_examples_fit(content, f"{name} {media_type}")


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_successful_response_has_a_valid_example(name: str) -> None:
    for status, response in OPERATIONS[name]["responses"].items():
        if int(status) < 400:
            for media_type, content in response.get("content", {}).items():
                assert_examples_fit(content, f"{name} {status} {media_type}: give `response_examples` to @documented")


def test_every_code_is_documented_in_an_operation() -> None:
    documented = {code for operation in OPERATIONS.values() for names in codes(operation).values() for code in names}
    # An internal error and a wrong method belong to no operation.
    assert {code.code for code in ErrorCode} - documented == {"internal", "method_not_allowed"}


def test_the_schemas_of_bodies_refuse_unknown_members() -> None:
    bodies = {
        content["schema"]["$ref"].rpartition("/")[2]
        for operation in OPERATIONS.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content.get("schema", {})
    }
    assert bodies
    assert [name for name in bodies if schema()["components"]["schemas"][name].get("additionalProperties", True)] == []


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_description_is_a_docstring(label: str) -> None:
    """Without a description, drf-spectacular would use the docstring of ApiView."""
    assert OPERATIONS[label].get("description") not in {inspect.getdoc(view) for view in views()}


@pytest.mark.parametrize(
    ("operation", "status", "names"),
    [
        ("POST /v1/notifications", "202", {"Location", "Idempotency-Replayed", "RateLimit-Remaining"}),
        ("POST /v1/notifications", "429", {"Retry-After", "RateLimit-Reset"}),
        ("GET /v1/webpush/config", "200", {"ETag", "Cache-Control"}),
        ("GET /v1/webpush/config", "304", {"ETag"}),
    ],
)
def test_the_headers_of_responses_are_documented(operation: str, status: str, names: set[str]) -> None:
    assert names <= headers(operation, status)


def test_every_header_that_cors_exposes_is_documented() -> None:
    described = {
        name.lower()
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        for name in response["headers"]
    }
    assert set(settings.CORS_EXPOSE_HEADERS) <= described
