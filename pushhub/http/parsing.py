"""The parser of request bodies. It accepts only JSON that all parsers read the same way (RFC 8259, RFC 7493 I-JSON)."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from typing_extensions import override

from pushhub.kernel.errors import ApiError, ErrorCode

MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1
_BEYOND = MAX_INTEGER + 1
_SURROGATE = re.compile("[\ud800-\udfff]")

_Path = tuple[str | int, ...]  # the names and indexes that lead to a value; at most MAX_DEPTH


class StrictJSONParser(BaseParser):
    """UTF-8 JSON. Raises ApiError(MALFORMED), with a pointer if possible, for values that parsers read differently:
    repeated names, NaN and Infinity, numbers of more than 64 bits, NUL characters, lone surrogates, more than 32 levels
    of nesting."""

    media_type = "application/json"

    @override
    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        _encoding_check(media_type or self.media_type, parser_context or {})
        return json_read(stream.read())


class _Repeated(dict[str, Any]):
    """An object with a repeated name. `_walk` reports it, because only `_walk` knows the pointer of the object."""


class _Builder:
    """Builds the values, and remembers whether `_walk` has to search them for an error."""

    def __init__(self) -> None:
        self.suspect = False

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        self.suspect = True
        return _Repeated(value)

    def integer(self, digits: str) -> int:
        self.suspect |= len(digits) > 18
        return _integer(digits)

    def real(self, digits: str) -> float:
        value = float(digits)
        self.suspect |= not math.isfinite(value)
        return value


def json_read(raw: bytes) -> Any:
    """The value of a JSON text. Raises ApiError(MALFORMED)."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not UTF-8: byte {error.start} cannot be decoded.") from None
    build = _Builder()
    try:
        value = json.loads(
            text,
            object_pairs_hook=build.object,
            parse_int=build.integer,
            parse_float=build.real,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise _malformed(
            f"The body is not JSON: {error.msg.rstrip(':')} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise _malformed(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    # NUL characters and surrogates can only come from escapes.
    if build.suspect or "\\u" in text or text.count("{") + text.count("[") > MAX_DEPTH:
        _walk(value)
    return value


def _encoding_check(media_type: str, context: Mapping[str, Any]) -> None:
    _, _, parameters = media_type.lower().partition("charset=")
    if parameters.split(";")[0].strip(' "') not in {"", "utf-8", "utf8"}:
        raise UnsupportedMediaType(media_type, detail="JSON is UTF-8 (RFC 8259 §8.1): send no other charset.")
    request = context.get("request")
    if request is not None and request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType(media_type, detail="Compressed bodies are not supported: send no Content-Encoding.")


def _integer(digits: str) -> int:
    # int() is slow for thousands of digits, and raises ValueError for more than 4,300.
    return int(digits) if len(digits) <= 20 else _BEYOND


def _constant(name: str) -> NoReturn:
    raise _malformed(f"The body is not JSON: {name} is not a JSON value.")


def _walk(root: Any) -> None:
    """A pointer is built only for an error: a list of 300,000 below a name of 400 kB would need 120 GB of them."""
    todo: list[tuple[Any, _Path]] = [(root, ())]
    while todo:
        value, path = todo.pop()
        if isinstance(value, dict | list):
            if len(path) >= MAX_DEPTH:
                raise _malformed(f"Nested deeper than {MAX_DEPTH} levels.", _pointer(path))
            for name, item in _members(value, path):
                if isinstance(item, dict | list):
                    todo.append((item, (*path, name)))
                elif reason := _fault(item):
                    raise _malformed(reason, _pointer((*path, name)))
        elif reason := _fault(value):
            raise _malformed(reason, _pointer(path))


def _members(value: dict[str, Any] | list[Any], path: _Path) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, list):
        yield from enumerate(value)
        return
    if isinstance(value, _Repeated):
        raise _malformed("A name occurs twice in this object.", _pointer(path))
    for name, item in value.items():
        if reason := _fault(name):
            raise _malformed(f"A name in this object is invalid: {reason}", _pointer(path))
        yield name, item


def _pointer(path: _Path) -> str:
    return "".join(f"/{pointer_escape(str(name))}" for name in path)


def _fault(value: Any) -> str:
    if isinstance(value, str):
        if "\0" in value:
            return "Contains the NUL character."
        if _SURROGATE.search(value):
            return "Contains half of a surrogate pair."
    elif isinstance(value, float) and not math.isfinite(value):
        return "The number is too large."
    elif isinstance(value, int) and not -_BEYOND <= value <= MAX_INTEGER:
        return "The number does not fit 64 bits."
    return ""


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def pointer_escape(name: str) -> str:
    """One reference token of a JSON Pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _malformed(detail: str, pointer: str = "") -> ApiError:
    return ApiError(ErrorCode.MALFORMED, detail=detail, pointer=pointer)
