"""S3's events through SNS: verified, from the operator's topics alone."""

import os
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from avatars.ingest import EventUnreadable, events_apply
from avatars.models import S3Subscription
from avatars.services.objects import QUEUE
from providers.errors import TransportError
from providers.http import fetch
from providers.net import NetworkPolicy, origin
from providers.sns import receipts
from providers.sns.receipts import MessageType, SnsMessage, SnsMessageInvalid
from providers.transfer import Limits
from providers.types import HttpRequest, HttpResponse
from pushhub.crypto import seal, unseal
from pushhub.errors import ApiError, ErrorCode
from pushhub.wake import wake

CONFIRM_TASK = "avatars.tasks.subscriptions_confirm"
CONFIRM_ATTEMPTS = 5
CONFIRM_AGAIN = timedelta(seconds=30)
PURPOSE = "avatars.s3subscription.subscribe_url_sealed"
_LIMITS = Limits(connect_timeout=2.0, total_timeout=5.0)


def s3_callback_apply(*, raw: bytes) -> None:
    """Take one SNS message. Applying it again changes nothing, so nothing is remembered of it.

    Raises ApiError SIGNATURE_INVALID, INVALID when it is no event of S3, UNAVAILABLE when SNS's certificate cannot be
    fetched: SNS repeats.
    """
    message = _verified(raw)
    if message.type is MessageType.SUBSCRIPTION_CONFIRMATION:
        _confirm_later(message)
    if message.type is not MessageType.NOTIFICATION:
        return
    try:
        events_apply(message.message)
    except EventUnreadable as fault:
        raise ApiError(ErrorCode.INVALID, detail=f"Not an event of S3: {fault}.", pointer="/Message") from None


def subscriptions_confirm_step() -> int:
    """Visit the SubscribeURLs that wait: at SNS's own address, or they would not have verified. How many were due."""
    due = S3Subscription.objects.filter(confirm_due_at__lte=Now(), confirm_attempts__lt=CONFIRM_ATTEMPTS)
    subscriptions = list(due[:10])
    for subscription in subscriptions:
        S3Subscription.objects.filter(id=subscription.id).update(
            confirm_due_at=Now() + CONFIRM_AGAIN, confirm_attempts=F("confirm_attempts") + 1
        )
        url = unseal(bytes(subscription.subscribe_url_sealed or b""), purpose=PURPOSE).decode()
        if _visited(url):
            S3Subscription.objects.filter(id=subscription.id).update(
                confirm_due_at=None, subscribe_url_sealed=None, confirmed_at=Now()
            )
    return len(subscriptions)


def _verified(raw: bytes) -> SnsMessage:
    try:
        return receipts.sns_message_verify(
            raw,
            certificate_fetch=_certificates,
            topic_arns=settings.AVATAR_S3_TOPIC_ARNS,
            trusted_certificate_origins=_own_origins(),
        )
    except SnsMessageInvalid as fault:
        raise ApiError(ErrorCode.SIGNATURE_INVALID, detail=f"Not taken: {fault}.") from None
    except TransportError:
        raise ApiError(
            ErrorCode.UNAVAILABLE, detail="The signing certificate cannot be fetched.", retry_after=20
        ) from None


def _own_origins() -> list[str]:
    """Where an operator has pointed SNS itself, such as the sandbox: what is asked there is believed from there."""
    url = os.environ.get("AWS_ENDPOINT_URL_SNS", "")
    return [origin(url)] if url else []


def _get(url: str) -> HttpResponse:
    policy = NetworkPolicy(allowed_private_networks=tuple(settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS))
    return fetch(HttpRequest(url=url, method="GET"), policy=policy, limits=_LIMITS)


def _certificate_fetch(url: str) -> bytes:
    answer = _get(url)
    if answer.status != 200:
        raise SnsMessageInvalid("the certificate is not there")
    return answer.body


_certificates = receipts.CertificateCache(_certificate_fetch)


def _confirm_later(message: SnsMessage) -> None:
    with transaction.atomic():
        S3Subscription.objects.update_or_create(
            topic_arn=message.topic_arn,
            defaults={
                "subscribe_url_sealed": seal(message.subscribe_url.encode(), purpose=PURPOSE),
                "confirm_due_at": Now(),
                "confirm_attempts": 0,
            },
        )
        transaction.on_commit(partial(wake, CONFIRM_TASK, QUEUE), robust=True)


def _visited(url: str) -> bool:
    try:
        return _get(url).status == 200
    except TransportError:
        return False
