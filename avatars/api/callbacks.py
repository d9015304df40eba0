"""S3's events, which arrive through SNS: verified, and from the operator's topics only."""

from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from avatars.ingest import EventUnreadable, events_apply
from avatars.models import S3Subscription
from avatars.services.objects import QUEUE
from providers.sns.callbacks import message_read, subscription_confirm
from providers.sns.receipts import MessageType, SnsMessage
from pushhub.http.network import network_policy
from pushhub.kernel.crypto import seal, unseal
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.purposes import Purpose
from pushhub.workers.leased_work import LeasedWork, one_by_one
from pushhub.workers.wake import wake

CONFIRM_TASK = "avatars.tasks.subscriptions_confirm"
CONFIRM_ATTEMPTS = 5
CONFIRM_BATCH = 5  # of at most 5 seconds each: done before CONFIRM_RETRY
CONFIRM_RETRY = timedelta(seconds=30)


def s3_callback_apply(*, raw: bytes) -> None:
    """Apply one SNS message. Applying it again changes nothing, so no record of it is kept.

    Raises ApiError SIGNATURE_INVALID, INVALID when it is no event of S3, UNAVAILABLE when SNS's certificate cannot be
    fetched: then SNS repeats it.
    """
    message = message_read(raw, topic_arns=settings.AVATAR_S3_TOPIC_ARNS, policy=network_policy())
    if message.type is MessageType.SUBSCRIPTION_CONFIRMATION:
        _confirm_later(message)
    if message.type is not MessageType.NOTIFICATION:
        return
    try:
        events_apply(message.message)
    except EventUnreadable as fault:
        raise ApiError(ErrorCode.INVALID, detail=f"Not an event of S3: {fault}.", pointer="/Message") from None


def _confirmations_claim() -> list[S3Subscription]:
    due = S3Subscription.objects.filter(confirm_due_at__lte=Now(), confirm_attempts__lt=CONFIRM_ATTEMPTS)
    claimed = list(due.select_for_update(skip_locked=True)[:CONFIRM_BATCH])
    S3Subscription.objects.filter(id__in=[subscription.id for subscription in claimed]).update(
        confirm_due_at=Now() + CONFIRM_RETRY, confirm_attempts=F("confirm_attempts") + 1
    )
    return claimed


def _confirmation_request(subscription: S3Subscription) -> bool | None:
    """The URL is at SNS's own address, or its message would not have verified. None: SNS has not confirmed."""
    url = unseal(bytes(subscription.subscribe_url_sealed or b""), purpose=Purpose.S3_SUBSCRIBE_URL).decode()
    return subscription_confirm(url, policy=network_policy()) or None


def _confirmation_settle(subscription: S3Subscription, confirmed: bool) -> bool:
    """The URL stands for the lease: a newer message of SNS brings another one, which is still to be requested."""
    sealed = subscription.subscribe_url_sealed
    same = S3Subscription.objects.filter(id=subscription.id, subscribe_url_sealed=sealed)
    return bool(same.update(confirm_due_at=None, subscribe_url_sealed=None, confirmed_at=Now()))


CONFIRMATION = LeasedWork(
    name="subscription confirmation",
    item_id=lambda subscription: subscription.id,
    claim=_confirmations_claim,
    calls=one_by_one(_confirmation_request),
    settle=_confirmation_settle,
)


def _confirm_later(message: SnsMessage) -> None:
    with transaction.atomic():
        S3Subscription.objects.update_or_create(
            topic_arn=message.topic_arn,
            defaults={
                "subscribe_url_sealed": seal(message.subscribe_url.encode(), purpose=Purpose.S3_SUBSCRIBE_URL),
                "confirm_due_at": Now(),
                "confirm_attempts": 0,
            },
        )
        transaction.on_commit(partial(wake, CONFIRM_TASK, QUEUE), robust=True)
