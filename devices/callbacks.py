"""What SNS says of its own accord: `POST /callbacks/sns/{app_id}`. Verified, taken once, from the app's topic only."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from devices.models import App, CallbackReceipt, Device, EndpointState
from devices.services.apps import app_misconfigured
from devices.services.endpoints import QUEUE, endpoints_disable, provision_wake
from devices.sql import confirmations_claim
from events.services import event_record
from events.types import EventType
from providers.registry import provider_get
from providers.sns.callbacks import message_read, subscription_confirm
from providers.sns.receipts import EventKind, MessageType, SnsMessage, event_parse
from providers.types import Outcome
from pushhub.http.network import network_policy
from pushhub.kernel.crypto import seal, unseal
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.purposes import Purpose
from pushhub.workers.leased_work import LeasedWork, one_by_one
from pushhub.workers.wake import wake

CONFIRM_TASK = "devices.tasks.subscriptions_confirm"
CONFIRM_ATTEMPTS = 5
CONFIRM_BATCH = 10
# A failure this soon after a new token may be the old one's: SNS goes on trying a message for a while.
TOKEN_SETTLES = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEvent:
    """A push that SNS had accepted and could not deliver. `reason` is SNS's FailureType."""

    app: App
    provider_message_id: str
    reason: str


def sns_callback_apply(
    *, app_id: UUID, raw: bytes, apply: Callable[[EndpointEvent], None] | None = None
) -> EndpointEvent | None:
    """Take one message; a duplicate does nothing. `apply` runs in the transaction that remembers the message, so that
    the news is neither lost nor taken twice.

    Raises ApiError NOT_FOUND, SIGNATURE_INVALID, and UNAVAILABLE when SNS's certificate cannot be fetched: SNS repeats.
    """
    app = App.objects.select_related("tenant").filter(id=app_id).first()
    if app is None or not provider_get(app.provider).has_callbacks:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such app.")
    topics = [app.event_topic_arn] if app.event_topic_arn else []
    message = message_read(raw, topic_arns=topics, policy=network_policy())
    with transaction.atomic():
        receipt, first = CallbackReceipt.objects.get_or_create(
            tenant=app.tenant, app=app, message_id=message.message_id[:100]
        )
        if not first:
            return None
        if message.type is MessageType.SUBSCRIPTION_CONFIRMATION:
            _confirm_later(receipt, message)
        if message.type is not MessageType.NOTIFICATION:
            return None
        event = _notification_apply(app, message)
        if event is not None and apply is not None:
            apply(event)
    return event


def subscriptions_confirm_step() -> int:
    """Request a few SubscribeURLs that are due. How many."""
    return CONFIRMATION.step()


def _confirmations_claim() -> list[CallbackReceipt]:
    with connection.cursor() as cursor:
        due = confirmations_claim(cursor, limit=CONFIRM_BATCH, attempts=CONFIRM_ATTEMPTS)
    return list(CallbackReceipt.objects.select_related("app", "tenant").filter(id__in=due))


def _confirmation_request(receipt: CallbackReceipt) -> bool | None:
    """The URL is at SNS's own address, or its message would not have verified. None: SNS has not confirmed."""
    url = unseal(bytes(receipt.subscribe_url_sealed or b""), purpose=Purpose.CALLBACK_SUBSCRIBE_URL).decode()
    return subscription_confirm(url, policy=network_policy()) or None


def _confirmation_settle(receipt: CallbackReceipt, confirmed: bool) -> bool:
    receipt.subscribe_url_sealed = receipt.confirm_due_at = None
    receipt.save(update_fields=["subscribe_url_sealed", "confirm_due_at"])
    event_record(tenant=receipt.tenant, type=EventType.APP_CALLBACKS_CONFIRMED, subject=str(receipt.app_id))
    return True


CONFIRMATION = LeasedWork(
    name="subscription confirmation",
    claim=_confirmations_claim,
    calls=one_by_one(_confirmation_request),
    settle=_confirmation_settle,
)


def _confirm_later(receipt: CallbackReceipt, message: SnsMessage) -> None:
    receipt.subscribe_url_sealed = seal(message.subscribe_url.encode(), purpose=Purpose.CALLBACK_SUBSCRIBE_URL)
    receipt.confirm_due_at = Now()
    receipt.save(update_fields=["subscribe_url_sealed", "confirm_due_at"])
    transaction.on_commit(partial(wake, CONFIRM_TASK, QUEUE), robust=True)


def _notification_apply(app: App, message: SnsMessage) -> EndpointEvent | None:
    event = event_parse(message.message)
    device = (
        Device.objects.filter(tenant=app.tenant, app=app, endpoint_arn=event.endpoint_arn, deleted_at=None)
        .exclude(endpoint_arn="")
        .first()
    )
    if event.kind is EventKind.ENDPOINT_DELETED and device is not None:
        _provision_again(device, state=EndpointState.PENDING)
    if event.kind is not EventKind.DELIVERY_FAILURE:
        return None
    if event.outcome is Outcome.MISCONFIGURED:
        app_misconfigured(app_id=app.id, reason=event.failure_type)
    if event.outcome is Outcome.ENDPOINT_GONE and device is not None:
        _endpoint_failed(device, message, reason=event.failure_type)
    return EndpointEvent(app=app, provider_message_id=event.message_id, reason=event.failure_type or "DeliveryFailure")


def _endpoint_failed(device: Device, message: SnsMessage, *, reason: str) -> None:
    """Disable it, unless the failure may be that of a token it no longer has: then AWS is asked how it stands."""
    if message.timestamp < device.endpoint_changed_at:
        return
    if device.token_version > 1 and message.timestamp - device.endpoint_changed_at < TOKEN_SETTLES:
        _provision_again(device, state=None)
        return
    endpoints_disable(rows=[(device.id, device.token_version)], reason=reason)


def _provision_again(device: Device, *, state: EndpointState | None) -> None:
    changes = {"endpoint_state": state} if state else {}
    alive = [EndpointState.PENDING, EndpointState.ACTIVE, EndpointState.SUSPECT]
    Device.objects.filter(id=device.id, token_version=device.token_version, endpoint_state__in=alive).update(
        **changes, provision_due_at=Now()
    )
    provision_wake()
