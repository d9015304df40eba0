"""The error of a Publish response, read by botocore's own parser."""

import re
from functools import cache
from typing import Any

import botocore.session
from botocore.parsers import QueryParser, ResponseParserError

from outgoing.types import HttpResponse

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def error_read(reply: HttpResponse) -> tuple[str, str]:
    """AWS's code and message; `http <status>` where the body has none."""
    parser, shape = _parser()
    raw = {"status_code": reply.status, "headers": {}, "body": reply.body}
    try:
        error = parser.parse(raw, shape).get("Error", {})
    except (ResponseParserError, KeyError, AttributeError, TypeError, ValueError, RecursionError):
        error = {}
    code = str(error.get("Code", ""))
    return code if _CODE.fullmatch(code) and not code.isdigit() else f"http {reply.status}", str(error.get("Message"))


@cache
def _parser() -> tuple[QueryParser, Any]:
    model = botocore.session.get_session().get_service_model("sns")
    return QueryParser(), model.operation_model("Publish").output_shape
