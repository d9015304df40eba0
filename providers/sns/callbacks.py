"""What Amazon SNS POSTs to an address of this installation: verified here, and confirmed at SNS's own address.

Nothing here raises SnsMessageInvalid or CertificateUnavailable: they become the ApiError that SNS is answered with.
"""

import os
from collections.abc import Collection
from functools import cache, partial
from typing import ClassVar, Final

from typing_extensions import override

from outgoing.http import fetch
from outgoing.network import NetworkPolicy, origin
from outgoing.transfer import Limits
from outgoing.types import HttpRequest, HttpResponse, TransportError
from providers.callbacks import Callback, CallbackReader, EndpointReport, ReportKind
from providers.sns.certificates import CertificateCache, CertificateUnavailable
from providers.sns.receipts import (
    MAX_MESSAGE,
    EventKind,
    MessageType,
    SnsMessage,
    SnsMessageInvalid,
    event_parse,
    sns_message_verify,
)
from pushhub.kernel.errors import ApiError, ErrorCode

_LIMITS: Final = Limits(connect_timeout=2.0, total_timeout=5.0)
CERTIFICATE_RETRY_SECONDS: Final = 20


class SnsCallbacks(CallbackReader):
    """The events of a platform application, which an SNS topic posts to `/callbacks/sns/{app_id}`."""

    max_bytes: ClassVar[int] = MAX_MESSAGE

    @override
    def read(self, raw: bytes, *, topic: str, policy: NetworkPolicy) -> Callback:
        message = message_read(raw, topic_arns=[topic] if topic else [], policy=policy)
        confirms = message.type is MessageType.SUBSCRIPTION_CONFIRMATION
        return Callback(
            id=message.message_id,
            at=message.timestamp,
            confirm_url=message.subscribe_url if confirms else "",
            report=_report(message) if message.type is MessageType.NOTIFICATION else None,
        )

    @override
    def confirm(self, url: str, *, policy: NetworkPolicy) -> bool:
        return subscription_confirm(url, policy=policy)


def message_read(raw: bytes, *, topic_arns: Collection[str], policy: NetworkPolicy) -> SnsMessage:
    """The message, if SNS signed it for one of the topics.

    Raises ApiError SIGNATURE_INVALID, and UNAVAILABLE when SNS's certificate cannot be fetched: then SNS repeats it.
    """
    try:
        return sns_message_verify(
            raw,
            certificate_fetch=certificates(policy),
            topic_arns=topic_arns,
            trusted_certificate_origins=_configured_origins(),
        )
    except SnsMessageInvalid as fault:
        raise ApiError(ErrorCode.SIGNATURE_INVALID, detail=f"Not accepted: {fault}.") from None
    except CertificateUnavailable:
        raise ApiError(
            ErrorCode.UNAVAILABLE,
            detail="The signing certificate cannot be fetched.",
            retry_after=CERTIFICATE_RETRY_SECONDS,
        ) from None


def subscription_confirm(subscribe_url: str, *, policy: NetworkPolicy) -> bool:
    """Request the SubscribeURL of a verified confirmation. Whether SNS confirmed the subscription."""
    try:
        return _get(subscribe_url, policy).status == 200
    except TransportError:
        return False


def _report(message: SnsMessage) -> EndpointReport | None:
    event = event_parse(message.message)
    if event.kind is EventKind.ENDPOINT_DELETED:
        return EndpointReport(kind=ReportKind.ENDPOINT_DELETED, endpoint_arn=event.endpoint_arn)
    if event.kind is not EventKind.DELIVERY_FAILURE:
        return None
    return EndpointReport(
        kind=ReportKind.PUSH_FAILED,
        endpoint_arn=event.endpoint_arn,
        message_id=event.message_id,
        reason=event.failure_type or "DeliveryFailure",
        outcome=event.outcome,
    )


@cache
def certificates(policy: NetworkPolicy) -> CertificateCache:
    """The certificates that this process has fetched."""
    return CertificateCache(partial(_certificate_fetch, policy=policy))


def _configured_origins() -> list[str]:
    """Where an operator has SNS itself, such as the sandbox: certificates from there are trusted as well."""
    url = os.environ.get("AWS_ENDPOINT_URL_SNS", "")
    return [origin(url)] if url else []


def _get(url: str, policy: NetworkPolicy) -> HttpResponse:
    return fetch(HttpRequest(url=url, method="GET"), policy=policy, limits=_LIMITS)


def _certificate_fetch(url: str, *, policy: NetworkPolicy) -> bytes:
    try:
        response = _get(url, policy)
    except TransportError:
        raise CertificateUnavailable from None
    if response.status == 429 or response.status >= 500:
        raise CertificateUnavailable
    if response.status != 200:
        raise SnsMessageInvalid("the certificate is not there")
    return response.body
