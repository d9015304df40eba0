"""Fields of request bodies. Each accepts only its own JSON type."""

import json
import re
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from rest_framework import serializers
from typing_extensions import override

# With bidirectional overrides and isolates a text is displayed in another order than it is stored (CVE-2021-42574).
BIDI = "\u202a-\u202e\u2066-\u2069"
CONTROLS = "\x00-\x1f\x7f-\x9f"
_UNSAFE_LINE = re.compile(f"[{CONTROLS}{BIDI}]")
_UNSAFE_TEXT = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI}]")
_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


class SafeTextField(serializers.CharField):
    """Text without control characters and bidirectional overrides. It is not trimmed. With `multiline`, tab and line
    feed are allowed."""

    default_error_messages = {"unsafe": "Contains a control or bidirectional formatting character."}

    def __init__(self, *, multiline: bool = False, **options: Any) -> None:
        self._unsafe = _UNSAFE_TEXT if multiline else _UNSAFE_LINE
        super().__init__(**{"trim_whitespace": False, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value: str = super().to_internal_value(data)
        if self._unsafe.search(value):
            self.fail("unsafe")
        return value


class LocaleField(SafeTextField):
    """A language tag with the syntax of BCP 47, such as pt-BR; at most 35 characters (RFC 5646 §4.4.1)."""

    default_error_messages = {"locale": "Must be a BCP 47 language tag, such as pt-BR."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 35, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if value and not _LOCALE.fullmatch(value):
            self.fail("locale")
        return value


class TimezoneField(SafeTextField):
    """A zone of the IANA time zone database, such as Europe/Lisbon."""

    default_error_messages = {"timezone": "Must be an IANA time zone, such as Europe/Lisbon."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 64, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if value and value not in _zones():
            self.fail("timezone")
        return value


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class UserIdField(SafeTextField):
    """The tenant's id of a person, 1 to 255 characters. It is part of addresses, so no segment of it may be `.` or
    `..`."""

    default_error_messages = {"segment": "Must not contain the segments '.' or '..'."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 255, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if {".", ".."} & set(value.split("/")):
            self.fail("segment")
        return value


class MomentField(serializers.DateTimeField):
    """A moment as in RFC 3339. The UTC offset is required, so that no time zone is assumed. Stored and returned in
    UTC."""

    default_error_messages = {"naive": "Must end with Z or an offset such as +01:00."}
    _offset = re.compile(r"([zZ]|[+-]\d\d:?\d\d)$")

    @override
    def to_internal_value(self, value: Any) -> Any:
        if isinstance(value, str) and not self._offset.search(value):
            self.fail("naive")
        return super().to_internal_value(value)


class JsonObjectField(serializers.JSONField):
    """A JSON object with any members, at most `max_bytes` when serialized and at most `max_depth` levels deep."""

    default_error_messages = {
        "object": "Must be a JSON object.",
        "bytes": "Must be at most {max_bytes} bytes of JSON.",
        "depth": "Must not be nested deeper than {max_depth} levels.",
    }

    def __init__(self, *, max_bytes: int = 8192, max_depth: int = 8, **options: Any) -> None:
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        super().__init__(**options)

    @override
    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("object")
        # A member takes at least 4 bytes. Apart from this check, the encoder is the measure: 1 MB takes it some 10 ms.
        if len(data) > self._max_bytes // 4 or len(_compact(data).encode()) > self._max_bytes:
            self.fail("bytes", max_bytes=self._max_bytes)
        if _depth(data) > self._max_depth:
            self.fail("depth", max_depth=self._max_depth)
        return data


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # json.dumps creates one for each call


def _depth(value: dict[str, Any] | list[Any]) -> int:
    members = value.values() if isinstance(value, dict) else value
    return 1 + max((_depth(member) for member in members if isinstance(member, dict | list)), default=0)
