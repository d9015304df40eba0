"""The description of the API: as OpenAPI for programs, and as HTML pages without scripts for people."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe
from drf_spectacular.generators import SchemaGenerator

from pushhub.kernel.errors import ErrorCode

METHODS = ("get", "post", "put", "patch", "delete")
CACHED = cache_control(public=True, max_age=300)
GZIP = re.compile(r"\bgzip\b")
HTML = "text/html; charset=utf-8"
CONTENT_SECURITY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The OpenAPI document. It changes only with the code, so each process builds it once."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return document


def openapi_json() -> bytes:
    return json.dumps(schema(), default=str).encode()


def reference_page() -> bytes:
    context = {"info": schema()["info"], "tags": _tags(schema()), "schemas": _schemas(schema())}
    return render_to_string("pushhub/reference.html", context).encode()


def errors_page() -> bytes:
    return render_to_string("pushhub/errors.html", {"codes": list(ErrorCode)}).encode()


class PublicPage:
    """A view of a document that is the same for every caller. Each process builds it once, with its ETag and its
    compressed form: rendering the reference takes 0.2 s, and every caller may ask for it."""

    def __init__(self, build: Callable[[], bytes], content_type: str) -> None:
        self._build = build
        self._content_type = content_type
        self.view = require_safe(CACHED(condition(etag_func=lambda _: self._stored[2])(self._response)))

    @cached_property
    def _stored(self) -> tuple[bytes, bytes, str]:
        """The document, the same compressed, and its ETag."""
        body = self._build()
        return body, gzip.compress(body), f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'

    def _response(self, request: HttpRequest) -> HttpResponse:
        body, compressed, _ = self._stored
        zipped = GZIP.search(request.headers.get("Accept-Encoding", "")) is not None
        response = HttpResponse(compressed if zipped else body, content_type=self._content_type)
        response["Content-Security-Policy"] = CONTENT_SECURITY
        if zipped:
            response["Content-Encoding"] = "gzip"
        patch_vary_headers(response, ("Accept-Encoding",))
        return response


openapi = PublicPage(openapi_json, "application/json").view
reference = PublicPage(reference_page, HTML).view
errors = PublicPage(errors_page, HTML).view


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
