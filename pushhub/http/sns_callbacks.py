"""What Amazon SNS POSTs to an address of ours: bounded, verified, and confirmed at SNS's own address."""

import os
from collections.abc import Collection

from rest_framework.request import Request

from outgoing.http import fetch
from outgoing.network import origin
from outgoing.transfer import Limits
from outgoing.types import HttpRequest, HttpResponse, TransportError
from providers.sns.certificates import CertificateCache, CertificateUnavailable
from providers.sns.receipts import MAX_MESSAGE, SnsMessage, SnsMessageInvalid, sns_message_verify
from pushhub.http.network import network_policy
from pushhub.kernel.errors import ApiError, ErrorCode

_LIMITS = Limits(connect_timeout=2.0, total_timeout=5.0)


def sns_body(request: Request) -> bytes:
    """Raises ApiError TOO_LARGE for what SNS cannot have sent."""
    if len(request.body) > MAX_MESSAGE:
        raise ApiError(ErrorCode.TOO_LARGE, detail=f"SNS messages have at most {MAX_MESSAGE // 1024} KiB.")
    return request.body


def sns_message_read(raw: bytes, *, topic_arns: Collection[str]) -> SnsMessage:
    """The message, if SNS signed it for one of the topics.

    Raises ApiError SIGNATURE_INVALID, and UNAVAILABLE when SNS's certificate cannot be fetched: SNS repeats.
    """
    try:
        return sns_message_verify(
            raw,
            certificate_fetch=_certificates,
            topic_arns=topic_arns,
            trusted_certificate_origins=_own_origins(),
        )
    except SnsMessageInvalid as fault:
        raise ApiError(ErrorCode.SIGNATURE_INVALID, detail=f"Not taken: {fault}.") from None
    except CertificateUnavailable:
        raise ApiError(
            ErrorCode.UNAVAILABLE, detail="The signing certificate cannot be fetched.", retry_after=20
        ) from None


def subscription_visit(url: str) -> bool:
    """Ask for the SubscribeURL of a verified confirmation. Whether SNS said yes."""
    try:
        return _get(url).status == 200
    except TransportError:
        return False


def _own_origins() -> list[str]:
    """Where an operator has pointed SNS itself, such as the sandbox: what is asked there is believed from there."""
    url = os.environ.get("AWS_ENDPOINT_URL_SNS", "")
    return [origin(url)] if url else []


def _get(url: str) -> HttpResponse:
    return fetch(HttpRequest(url=url, method="GET"), policy=network_policy(), limits=_LIMITS)


def _certificate_fetch(url: str) -> bytes:
    try:
        answer = _get(url)
    except TransportError:
        raise CertificateUnavailable from None
    if answer.status == 429 or answer.status >= 500:
        raise CertificateUnavailable
    if answer.status != 200:
        raise SnsMessageInvalid("the certificate is not there")
    return answer.body


_certificates = CertificateCache(_certificate_fetch)
