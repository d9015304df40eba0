"""Direct Publish to platform endpoints at wire speed: boto3 finds credentials, our one client sends, botocore parses.

A MessageId means SNS took the message (accepted), not that a phone showed it; failures come later (receipts.py).
"""

import re
from functools import cache
from typing import Any, ClassVar

import botocore.session
from botocore.parsers import QueryParser, ResponseParserError
from typing_extensions import override

from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.base import Provider
from providers.errors import Codes, PayloadTooLarge, Unsendable, retry_after_seconds, transport_result
from providers.sns.access import SnsError, SnsRetry, access_get
from providers.sns.errors import CODES, classify
from providers.sns.payload import (
    GOOGLE,
    MAX_PAYLOAD,
    MAX_TTL,
    fcm_reserved,
    platform_payload,
)
from providers.sns.publish import publish_request, sns_endpoint
from providers.template import fill
from providers.types import Message, Outcome, Push, SendResult, SnsCredentials, SnsEndpoint

_NOBODY = SnsCredentials(cache_key=("", 0), region="")
_MESSAGE_ID = re.compile(rb"<MessageId>([0-9A-Za-z-]{1,100})</MessageId>")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class SnsProvider(Provider):
    name: ClassVar[str] = "sns"
    vendor: ClassVar[str] = "Amazon SNS"
    codes: ClassVar[Codes] = CODES
    max_payload: ClassVar[int] = MAX_PAYLOAD

    def __init__(self, *, reference: bool = False) -> None:
        self._publish_request = publish_request
        if reference:
            from providers.sns import reference as botocores

            self._publish_request = botocores.publish_request

    @override
    def payload(self, push: Push) -> bytes:
        platform = sns_endpoint(push).platform
        payload = fill(push, name=platform, variant=push.ttl, make=lambda marked: platform_payload(marked, platform))
        if len(payload) > MAX_PAYLOAD:
            raise PayloadTooLarge(len(payload), MAX_PAYLOAD)
        return payload

    @override
    def request(self, push: Push) -> HttpRequest:
        if not isinstance(push.credentials, SnsCredentials):
            raise TypeError("an SNS push needs AWS credentials")
        self.payload(push)  # is it small enough?
        access = access_get(push.credentials)
        try:
            return self._publish_request(access, push)
        except SnsError as error:
            outcome = Outcome.RETRY if isinstance(error, SnsRetry) else Outcome.MISCONFIGURED
            wait = error.after if isinstance(error, SnsRetry) else None
            result = SendResult(outcome=outcome, error_code=error.code, retry_after=wait)
            raise Unsendable(result) from None

    @override
    def result(self, push: Push, answer: HttpResponse | TransportFailure) -> SendResult:
        if isinstance(answer, TransportFailure):
            return transport_result(answer)
        if 200 <= answer.status < 300:
            found = _MESSAGE_ID.search(answer.body)
            return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=found[1].decode() if found else "")
        code, message = _error(answer)
        rule = classify(code, message)
        wait = retry_after_seconds(answer.headers.get("retry-after")) if rule.outcome is Outcome.RETRY else None
        return SendResult(outcome=rule.outcome, error_code=code, retry_after=wait)

    @override
    def payload_size(self, message: Message, platform: str) -> int:
        nowhere = SnsEndpoint(endpoint_arn="", platform=platform)
        worst = Push.longest(message, endpoint=nowhere, credentials=_NOBODY, ttl=MAX_TTL)
        return len(platform_payload(worst, platform))

    @override
    def reserved_data(self, message: Message, platform: str) -> list[str]:
        return fcm_reserved(message) if platform == GOOGLE else []


def _error(answer: HttpResponse) -> tuple[str, str]:
    """AWS's code and message, read by botocore's own parser; the status where there is nothing to read."""
    parser, shape = _parser()
    raw = {"status_code": answer.status, "headers": {}, "body": answer.body}
    try:
        error = parser.parse(raw, shape).get("Error", {})
    except (ResponseParserError, KeyError, AttributeError, TypeError, ValueError, RecursionError):
        error = {}
    code = str(error.get("Code", ""))
    return code if _CODE.fullmatch(code) and not code.isdigit() else f"http {answer.status}", str(error.get("Message"))


@cache
def _parser() -> tuple[QueryParser, Any]:
    model = botocore.session.get_session().get_service_model("sns")
    return QueryParser(), model.operation_model("Publish").output_shape
