"""Log lines contain no secrets."""

import json
import logging
import signal
import sys
from collections.abc import Iterator

import pytest
from django.test import RequestFactory
from django.urls import resolve

from pushhub.kernel.logging import (
    MAX_TEXT,
    JsonFormatter,
    RouteFilter,
    TextFormatter,
    logging_config,
    redact,
    shorten,
)

SECRETS = [
    "phk_ab12cd34_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFy",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABsecretpart",
    "https://fcm.googleapis.com/fcm/send/cX1:APA91bFsecretpart",
    "https://api.push.example?token=secretpart",
    "postgresql://pushhub:hunter2@127.0.0.1:5432/pushhub",
    "aBcDeF12" * 8,
    "740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad",
    "cX1abcdefgh:APA91bH" + "Qx7-_z" * 20,
]


@pytest.mark.parametrize("secret", SECRETS, ids=[secret[:24] for secret in SECRETS])
@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter("%(message)s")])
def test_a_secret_in_message_extra_or_exception_is_replaced(formatter: logging.Formatter, secret: str) -> None:
    try:
        raise RuntimeError(f"could not send to {secret}")
    except RuntimeError:
        exc_info = sys.exc_info()
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "sent %s to %s", (secret, "alice"), exc_info)
    record.endpoint = {"url": secret}
    line = formatter.format(record)
    assert secret not in line
    assert "secretpart" not in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "plain",
    [
        "GET v1/devices/<str:device_id> 200",
        "0198c0de-7a11-7c0d-9a3e-3f1d2b4c5d6e",
        "settled 250 of 300 rows in 12 ms",
        "arn:aws:sns:eu-west-1:123456789012:app/APNS/acme-ios",
        "http://127.0.0.1:8000",
    ],
)
def test_text_without_secrets_stays_unchanged(plain: str) -> None:
    assert redact(plain) == plain


@pytest.fixture
def _one_second() -> Iterator[None]:
    """An alarm: the interpreter checks for signals while it matches a pattern."""

    def expired(number: int, frame: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, 1)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)


PIECES = ["Aa1:", "A1aaaaaa:", "eyJ-", "eyJa.", "eyJa.b", "phk_a", "bearer ", "a://", "https://", "f", "a-", "A1:"]


@pytest.mark.usefixtures("_one_second")
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("end", ["", "\n", "!", "@"])
def test_the_time_of_a_redaction_is_linear(piece: str, end: str) -> None:
    """12 kB of the first piece took 3.2 s and 48 kB 42 s. The text has no space: it is one word for every pattern."""
    redact(piece * (100_000 // len(piece)) + end)


def test_a_long_text_keeps_its_start_and_its_end() -> None:
    line = shorten("start of it " + "x" * MAX_TEXT + " the end")
    assert (line, shorten("y" * MAX_TEXT)) == ("start of it … the end", "y" * MAX_TEXT)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter("%(message)s")])
@pytest.mark.parametrize("before", range(MAX_TEXT // 2 - 60, MAX_TEXT // 2 + 10, 7))
def test_no_part_of_a_secret_remains_where_a_text_is_cut(formatter: logging.Formatter, before: int) -> None:
    text = "a " * (before // 2) + SECRETS[0] + " b" * MAX_TEXT
    record = logging.LogRecord("x", logging.INFO, __file__, 1, text, (), None)
    assert "Zm9v" not in formatter.format(record)
    record.msg = text[::-1].replace(SECRETS[0][::-1], SECRETS[0])
    assert "Zm9v" not in formatter.format(record)


def test_a_line_is_json_after_a_replacement() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, 'to "%s"', (SECRETS[2],), None)
    assert json.loads(JsonFormatter().format(record))["level"] == "INFO"


@pytest.mark.parametrize("as_json", [True, False])
def test_json_lines_and_text_lines_are_redacted(as_json: bool) -> None:
    config = logging_config(json=as_json, level="INFO")
    kind = config["formatters"][config["handlers"]["stderr"]["formatter"]]["()"]
    assert kind is (JsonFormatter if as_json else TextFormatter)


@pytest.mark.parametrize("name", ["botocore.parsers", "botocore.endpoint", "urllib3.connectionpool"])
def test_requests_to_aws_are_not_logged_at_debug_level(name: str) -> None:
    config = logging_config(json=True, level="DEBUG")
    parents = [logger for logger in config["loggers"] if name.startswith(logger)]
    assert [config["loggers"][logger]["level"] for logger in parents] == ["INFO"]


def test_an_internal_error_is_logged_with_its_route() -> None:
    request = RequestFactory().get("/v1/users/alice@example.com")
    request.resolver_match = resolve(request.path)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "%s: %s", ("Internal Server Error", request.path), None)
    record.request = request
    assert RouteFilter().filter(record)
    assert record.getMessage() == "Internal Server Error: v1/users/<path:user_id>"
