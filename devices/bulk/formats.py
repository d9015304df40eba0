"""One record of a file → the body of `PUT /v1/devices/{device_id}`, with the `device_id`."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from devices.bulk import pinpoint
from devices.bulk.models import Job
from devices.bulk.records import MAX_RECORD, Record
from devices.types import PROFILE_FIELDS
from providers.fields import Document, Field
from providers.registry import providers_all
from pushhub.http.api import json_read
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant

Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordBody:
    """`sns_platform`: the platform string of the SNS app, if the file names that instead of the app."""

    body: Body = field(repr=False)
    sns_platform: str = ""


PLAIN_COLUMNS = {"device_id", "platform", "app", "user_id", *PROFILE_FIELDS}
ATTRIBUTE = "attributes."
TAG_SEPARATOR = "|"
MAX_DIGITS = 18  # of a 64-bit number; Python's `int` raises above 4,300


@cache
def address_columns() -> dict[str, tuple[list[str], bool]]:
    """The columns by which providers reach a device: name → (path into the body, whether it is a whole number)."""
    fields = (field for provider in providers_all() for field in provider.address.fields)
    leaves = (leaf for field in fields for leaf in _leaves(field))
    return {".".join(path): (path, whole) for path, whole in leaves}


def _leaves(field: Field) -> Iterator[tuple[list[str], bool]]:
    if isinstance(field, Document):
        yield from _schema_leaves(field.schema, [field.name])
    else:
        yield [field.name], False


def _schema_leaves(schema: Mapping[str, Any], path: list[str]) -> Iterator[tuple[list[str], bool]]:
    if "properties" not in schema:
        yield path, "integer" in schema["type"]
    for name, inner in schema.get("properties", {}).items():
        yield from _schema_leaves(inner, [*path, name])


def reader_for(*, tenant: Tenant, format: str, columns: Sequence[str]) -> Callable[[Record], RecordBody]:
    """The function that reads one record. It raises ApiError MALFORMED, TOO_LARGE, INVALID; pinpoint.LineSkipped."""

    def read(record: Record) -> RecordBody:
        if record.too_long:
            raise ApiError(ErrorCode.TOO_LARGE, detail=f"The line is longer than {MAX_RECORD} bytes.", pointer="")
        if format == Job.Format.CSV:
            return RecordBody(body=csv_body(record.raw, columns))
        body = json_read(record.raw)
        if not isinstance(body, dict):
            raise ApiError(ErrorCode.INVALID, detail="Must be a JSON object.", pointer="")
        if format == Job.Format.PINPOINT or "ChannelType" in body:
            mapped, sns_platform = pinpoint.endpoint_body(body, tenant=tenant)
            return RecordBody(body=mapped, sns_platform=sns_platform)
        return RecordBody(body=body)

    return read


def csv_columns(record: Record) -> list[str]:
    """The columns of the header row. Raises ApiError INVALID for unknown and for repeated columns."""
    columns = [name.strip() for name in _csv_cells(record.raw)]
    for number, name in enumerate(columns, 1):
        known = name in PLAIN_COLUMNS - {"attributes"} or name in address_columns()
        if not known and not (name.startswith(ATTRIBUTE) and len(name) > len(ATTRIBUTE)):
            raise ApiError(ErrorCode.INVALID, detail=f"Column {number} of the header is unknown.", pointer="")
    if len(set(columns)) < len(columns):
        raise ApiError(ErrorCode.INVALID, detail="The header has a column twice.", pointer="")
    if "device_id" not in columns:
        raise ApiError(ErrorCode.INVALID, detail="The header has no column device_id.", pointer="")
    return columns


def csv_body(raw: bytes, columns: Sequence[str]) -> Body:
    """An empty cell is a field that is not given. Attributes are strings; tags are separated by `|`. A dot in a
    column's name leads into an object."""
    cells = _csv_cells(raw)
    if len(cells) != len(columns):
        detail = f"The row has {len(cells)} cells, the header {len(columns)}."
        raise ApiError(ErrorCode.MALFORMED, detail=detail, pointer="")
    body: Body = {}
    for name, cell in zip(columns, cells, strict=True):
        if cell:
            _cell_place(body, name, cell)
    return body


def _cell_place(body: Body, name: str, cell: str) -> None:
    if name.startswith(ATTRIBUTE):
        body.setdefault("attributes", {})[name.removeprefix(ATTRIBUTE)] = cell
    elif name == "tags":
        body["tags"] = cell.split(TAG_SEPARATOR)
    elif name in PLAIN_COLUMNS:
        body[name] = cell
    else:
        (*path, last), whole = address_columns()[name]
        for part in path:
            body = body.setdefault(part, {})
        body[last] = int(cell) if whole and cell.isdecimal() and len(cell) <= MAX_DIGITS else cell


def _csv_cells(raw: bytes) -> list[str]:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        detail = f"The row is not UTF-8: byte {error.start} cannot be decoded."
        raise ApiError(ErrorCode.MALFORMED, detail=detail, pointer="") from None
    if "\0" in text:
        raise ApiError(ErrorCode.MALFORMED, detail="Contains the NUL character.", pointer="")
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        raise ApiError(ErrorCode.MALFORMED, detail="The row is not CSV: its quotes do not match.", pointer="") from None
    return rows[0] if rows else []


def json_line(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
