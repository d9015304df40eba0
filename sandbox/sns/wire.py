"""The AWS query protocol: a request is a form, a response is XML."""

import re
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web

NAMESPACES = {
    "sns": "http://sns.amazonaws.com/doc/2010-03-31/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}
_ENTRY = re.compile(r"\.entry\.([0-9]+)\.(.+)\Z")


class AwsError(Exception):
    """An error in AWS's words. `violation`: a correct client never causes it, whatever its users do."""

    def __init__(self, code: str, message: str, *, status: int = 400, violation: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.violation = violation


def invalid(name: str, reason: str, *, violation: bool = True) -> AwsError:
    return AwsError("InvalidParameter", f"Invalid parameter: {name} Reason: {reason}", violation=violation)


class Entries(dict[str, str]):
    """A map, rendered as AWS does: entry, key, value."""


def parse_form(body: bytes) -> dict[str, str]:
    """Raises AwsError for bytes that are no form, or for a field given twice."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=500)
    except ValueError:
        raise AwsError("MalformedQueryString", "The body is not a form", violation=True) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise AwsError("MalformedQueryString", "A field appears more than once", violation=True)
    return fields


def required(fields: Mapping[str, str], name: str) -> str:
    if name not in fields:
        raise AwsError("InvalidParameter", f"Invalid parameter: {name}", violation=True)
    return fields[name]


def entries(fields: Mapping[str, str], prefix: str) -> list[dict[str, str]]:
    """The fields `Prefix.entry.N.part=value`, grouped by N, in order."""
    groups: dict[int, dict[str, str]] = {}
    for name, value in fields.items():
        match = _ENTRY.match(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if match is not None:
            groups.setdefault(int(match[1]), {})[match[2]] = value
    return [groups[number] for number in sorted(groups)]


def attributes(fields: Mapping[str, str]) -> dict[str, str]:
    return {group.get("key", ""): group.get("value", "") for group in entries(fields, "Attributes")}


def xml_response(service: str, action: str, result: Mapping[str, Any] | None) -> web.Response:
    inner = "" if result is None else f"<{action}Result>{_render(result)}</{action}Result>"
    metadata = f"<ResponseMetadata><RequestId>{token_hex(16)}</RequestId></ResponseMetadata>"
    text = f'<{action}Response xmlns="{NAMESPACES[service]}">{inner}{metadata}</{action}Response>'
    return web.Response(body=text.encode(), content_type="text/xml")


def xml_error(service: str, error: AwsError) -> web.Response:
    fault = "Sender" if error.status < 500 else "Receiver"
    inner = f"<Type>{fault}</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    tail = f"<RequestId>{token_hex(16)}</RequestId>"
    text = f'<ErrorResponse xmlns="{NAMESPACES[service]}"><Error>{inner}</Error>{tail}</ErrorResponse>'
    return web.Response(status=error.status, body=text.encode(), content_type="text/xml")


def _render(value: Any) -> str:
    if isinstance(value, Entries):
        pairs = value.items()
        return "".join(f"<entry><key>{escape(k)}</key><value>{escape(v)}</value></entry>" for k, v in pairs)
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_render(inner)}</{name}>" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(f"<member>{_render(inner)}</member>" for inner in value)
    return escape(str(value))
