"""Log lines: each is one JSON object, or a line of text, and has the request id. Log constants, never a payload.

Secrets that still get into a line (in an exception of a vendor's library, in a URL) are recognised by their pattern and
replaced. This is the second line of defence, not the first. Texts are shortened first, and the time of the search is
linear in the length of the text: a caller who gets a long text into a line must not stop the process.
"""

import json
import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

request_id: ContextVar[str] = ContextVar("request_id", default="")

MAX_TEXT = 8192  # characters of a line, or of a value in a line of JSON


def _token_replace(found: re.Match[str]) -> str:
    """Names in code are long too, but have no capital letters or no digits."""
    text = found[0]
    return "<token>" if _DIGIT.search(text) and _CAPITAL.search(text) else text


_DIGIT, _CAPITAL, _SPACE = re.compile(r"\d"), re.compile("[A-Z]"), re.compile("[ \n]")
# Possessive quantifiers (`++`), and look-behinds that start a match only at the start of a sequence, read each
# character a constant number of times.
_SECRETS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\bphk_([A-Za-z0-9]{1,16})_[A-Za-z0-9_-]++"), r"phk_\1_…"),
    (re.compile(r"(?<![\w-])eyJ[\w-]++\.[\w-]++\.[\w-]*+"), "<jwt>"),
    (re.compile(r"(?i)\b(bearer|vapid|basic) [\w.~+/=,-]{8,}+"), r"\1 …"),
    # A push URL is a capability and the address of a person: only its host is kept, without credentials in front of it.
    (re.compile(r"\b(\w{1,20}://)[^\s/@\"'<>\\]++@"), r"\1…@"),
    (re.compile(r"\b(https?://[^\s/?#\"'<>\\]++)[/?#][^\s\"'<>\\]++"), r"\1/…"),
    # Device tokens and keys: long sequences of the characters that they consist of.
    (re.compile(r"\b[0-9A-Fa-f]{64,}+\b"), "<token>"),
    (re.compile(r"(?<![\w-])(?:[\w-]{8,}+:[\w-]{60,}+|[\w-]{80,}+)"), _token_replace),
)


def shorten(text: str) -> str:
    """The start and the end of a text that is longer than MAX_TEXT. Cut words are left out: no pattern recognises a
    part of a secret."""
    if len(text) <= MAX_TEXT:
        return text
    start, end = text[: MAX_TEXT // 2], text[-MAX_TEXT // 2 :]
    last = max(start.rfind(" "), start.rfind("\n"), 0)
    first = next(_SPACE.finditer(end), None)
    return f"{start[:last]} … {end[first.end() :] if first else ''}"


def redact(text: str) -> str:
    """`text` without what looks like a server key, a JWT, a credential, a push URL or a device token."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class RequestIdFilter(logging.Filter):
    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


class RouteFilter(logging.Filter):
    """Replaces the path in Django's line about an internal error by the pattern of the route: paths contain the ids of
    people."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if request is not None and isinstance(record.args, tuple):
            route = request.resolver_match.route if request.resolver_match else "-"
            record.args = tuple(route if value == request.path else value for value in record.args)
        return True


class TextFormatter(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        return redact(shorten(super().format(record)))


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "message", "request_id", …extra}`."""

    # `request` is Django's request; its repr contains the whole path.
    _standard = frozenset(vars(logging.makeLogRecord({}))) | {
        "message",
        "asctime",
        "request_id",
        "taskName",
        "request",
    }

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", ""),
        }
        line |= {key: value for key, value in vars(record).items() if key not in self._standard}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        values = {key: shorten(value) if isinstance(value, str) else value for key, value in line.items()}
        return redact(json.dumps(values, default=_shorten_other, ensure_ascii=False))


def _shorten_other(value: object) -> str:
    return shorten(str(value))


def logging_config(*, json: bool, level: str) -> dict[str, Any]:
    """A dictConfig with one handler, which writes everything to stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIdFilter}, "route": {"()": RouteFilter}},
        "formatters": {
            "json": {"()": JsonFormatter},
            "text": {
                "()": TextFormatter,
                "format": "%(asctime)s %(levelname)s %(name)s %(message)s [%(request_id)s]",
            },
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "filters": ["request_id"],
                "formatter": "json" if json else "text",
            }
        },
        # Django's own line for a 4xx repeats the access line with the whole path, which contains the ids of people.
        # A wrong Host header comes from a scanner: the access line is enough.
        "loggers": {
            "django.request": {"level": "ERROR", "filters": ["route"]},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # At DEBUG these log whole requests and responses: device tokens, the secret of an SSM parameter.
            **{name: {"level": "INFO"} for name in ("boto3", "botocore", "urllib3")},
        },
        "root": {"handlers": ["stderr"], "level": level},
    }
