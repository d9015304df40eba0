"""The description of the API: as OpenAPI for programs, and as HTML pages without scripts for people."""

import hashlib
import json
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe
from drf_spectacular.generators import SchemaGenerator

from pushhub.kernel.errors import ErrorCode

METHODS = ("get", "post", "put", "patch", "delete")
CACHED = cache_control(public=True, max_age=300)
CONTENT_SECURITY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The OpenAPI document. It changes only with the code, so each process builds it once."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return document


@lru_cache(maxsize=1)
def _schema_bytes() -> tuple[bytes, str]:
    body = json.dumps(schema(), default=str).encode()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _etag(request: HttpRequest) -> str:
    return _schema_bytes()[1]


@require_safe
@CACHED
@condition(etag_func=_etag)
def openapi(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_schema_bytes()[0], content_type="application/json")


@require_safe
@CACHED
def reference(request: HttpRequest) -> HttpResponse:
    context = {"info": schema()["info"], "tags": _tags(schema()), "schemas": _schemas(schema())}
    return _page(request, "pushhub/reference.html", context)


@require_safe
@CACHED
def errors(request: HttpRequest) -> HttpResponse:
    return _page(request, "pushhub/errors.html", {"codes": list(ErrorCode)})


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    response = render(request, template, context)
    response["Content-Security-Policy"] = CONTENT_SECURITY
    return response


def _tags(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Operations by their tag. The callbacks come last: vendors call them, readers of the page do not."""
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                tags.setdefault(item[method]["tags"][0], []).append(_operation(path, method, item[method]))
    return dict(sorted(tags.items(), key=lambda tag: tag[0] == "callbacks"))


def _operation(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": path,
        "method": method.upper(),
        "id": operation["operationId"],
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "callers": [_caller(requirement) for requirement in operation.get("security", [])],
        "parameters": [
            parameter | {"rules": _rules(parameter["schema"])} for parameter in operation.get("parameters", [])
        ],
        "bodies": [_content(content) for content in operation.get("requestBody", {}).get("content", {}).items()],
        "responses": [
            {
                "status": status,
                "description": response.get("description", ""),
                "headers": sorted(response.get("headers", {})),
                "bodies": [_content(content) for content in response.get("content", {}).items()],
            }
            for status, response in sorted(operation["responses"].items())
        ],
    }


def _rules(schema: dict[str, Any]) -> str:
    """The schema of a parameter as one line."""
    return ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in schema.items())


def _caller(requirement: dict[str, list[str]]) -> str:
    return "; ".join(f"{name} ({', '.join(scopes)})" if scopes else name for name, scopes in requirement.items())


def _content(content: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    media_type, body = content
    examples = [
        {"name": name, "summary": example.get("summary", ""), "text": _pretty(example.get("value"))}
        for name, example in body.get("examples", {}).items()
    ]
    return {
        "media_type": media_type,
        "schema": body.get("schema", {}).get("$ref", "").rpartition("/")[2],
        "examples": examples,
    }


def _schemas(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, _pretty(body)) for name, body in document.get("components", {}).get("schemas", {}).items()]


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
