"""What Amazon SNS POSTs to an address of this installation: verified here, and confirmed at SNS's own address.

Nothing here raises SnsMessageInvalid or CertificateUnavailable: they become the ApiError that SNS is answered with.
"""

import os
from collections.abc import Collection
from functools import cache, partial
from typing import Final

from outgoing.http import fetch
from outgoing.network import NetworkPolicy, origin
from outgoing.transfer import Limits
from outgoing.types import HttpRequest, HttpResponse, TransportError
from providers.sns.certificates import CertificateCache, CertificateUnavailable
from providers.sns.receipts import SnsMessage, SnsMessageInvalid, sns_message_verify
from pushhub.kernel.errors import ApiError, ErrorCode

_LIMITS: Final = Limits(connect_timeout=2.0, total_timeout=5.0)
CERTIFICATE_RETRY_SECONDS: Final = 20


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
