"""What a vendor reports of its own accord: `POST /callbacks/<provider>/{app_id}`. Verified, and applied once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from providers.callbacks import EndpointReport, ReportKind
from providers.registry import provider_get
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
# A failure this soon after a new token may be the old token's: SNS retries a message for a while.
TOKEN_SETTLES = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeliveredPush:
    """A push that the vendor had accepted and could not deliver. `reason` is the vendor's code."""

    app: App
    provider_message_id: str
    reason: str


def callback_apply(
    *, app_id: UUID, raw: bytes, apply: Callable[[UndeliveredPush], None] | None = None
) -> UndeliveredPush | None:
    """Apply one message of the app's vendor; a duplicate changes nothing. `apply` runs in the transaction that stores
    the message's id, so that a report is neither lost nor applied twice.

    Raises ApiError NOT_FOUND, SIGNATURE_INVALID, and UNAVAILABLE when the message cannot be verified now: the vendor
    repeats it.
    """
    app = App.objects.select_related("tenant").filter(id=app_id).first()
    reader = provider_get(app.provider).callbacks if app else None
    if app is None or reader is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such app.")
    callback = reader.read(raw, topic=app.event_topic_arn, policy=network_policy())
    with transaction.atomic():
        receipt, first = CallbackReceipt.objects.get_or_create(tenant=app.tenant, app=app, message_id=callback.id[:100])
        if not first:
            return None
        if callback.confirm_url:
            _confirm_later(receipt, callback.confirm_url)
        undelivered = _report_apply(app, callback.report, callback.at) if callback.report else None
        if undelivered is not None and apply is not None:
            apply(undelivered)
    return undelivered


def _confirmations_claim() -> list[CallbackReceipt]:
    with connection.cursor() as cursor:
        due = confirmations_claim(cursor, limit=CONFIRM_BATCH, attempts=CONFIRM_ATTEMPTS)
    return list(CallbackReceipt.objects.select_related("app", "tenant").filter(id__in=due))


def _confirmation_request(receipt: CallbackReceipt) -> bool | None:
    """The URL is at the vendor's own address, or its message would not have verified. None: not confirmed."""
    reader = provider_get(receipt.app.provider).callbacks
    url = unseal(bytes(receipt.subscribe_url_sealed or b""), purpose=Purpose.CALLBACK_SUBSCRIBE_URL).decode()
    return (reader is not None and reader.confirm(url, policy=network_policy())) or None


def _confirmation_settle(receipt: CallbackReceipt, confirmed: bool) -> bool:
    """The URL stands for the lease: it is removed with the first confirmation that is written."""
    same = CallbackReceipt.objects.filter(id=receipt.id, subscribe_url_sealed=receipt.subscribe_url_sealed)
    if not same.update(subscribe_url_sealed=None, confirm_due_at=None):
        return False
    event_record(tenant=receipt.tenant, type=EventType.APP_CALLBACKS_CONFIRMED, subject=str(receipt.app_id))
    return True


CONFIRMATION = LeasedWork(
    name="subscription confirmation",
    item_id=lambda receipt: receipt.id,
    claim=_confirmations_claim,
    calls=one_by_one(_confirmation_request),
    settle=_confirmation_settle,
)


def _confirm_later(receipt: CallbackReceipt, url: str) -> None:
    receipt.subscribe_url_sealed = seal(url.encode(), purpose=Purpose.CALLBACK_SUBSCRIBE_URL)
    receipt.confirm_due_at = Now()
    receipt.save(update_fields=["subscribe_url_sealed", "confirm_due_at"])
    transaction.on_commit(partial(wake, CONFIRM_TASK, QUEUE), robust=True)


def _report_apply(app: App, report: EndpointReport, at: datetime) -> UndeliveredPush | None:
    device = (
        Device.objects.filter(tenant=app.tenant, app=app, endpoint_arn=report.endpoint_arn, deleted_at=None)
        .exclude(endpoint_arn="")
        .first()
    )
    if report.kind is ReportKind.ENDPOINT_DELETED:
        if device is not None:
            _provision_requeue(device, state=EndpointState.PENDING)
        return None
    if report.outcome is Outcome.MISCONFIGURED:
        app_misconfigured(app_id=app.id, reason=report.reason)
    if report.outcome is Outcome.ENDPOINT_GONE and device is not None:
        _endpoint_failed(device, at, reason=report.reason)
    return UndeliveredPush(app=app, provider_message_id=report.message_id, reason=report.reason)


def _endpoint_failed(device: Device, at: datetime, *, reason: str) -> None:
    """Disable it, unless the failure may be that of an earlier token: then the vendor is asked for its state."""
    if at < device.endpoint_changed_at:
        return
    if device.token_version > 1 and at - device.endpoint_changed_at < TOKEN_SETTLES:
        _provision_requeue(device, state=None)
        return
    endpoints_disable(rows=[(device.id, device.token_version)], reason=reason)


def _provision_requeue(device: Device, *, state: EndpointState | None) -> None:
    changes = {"endpoint_state": state} if state else {}
    alive = [EndpointState.PENDING, EndpointState.ACTIVE, EndpointState.SUSPECT]
    Device.objects.filter(id=device.id, token_version=device.token_version, endpoint_state__in=alive).update(
        **changes, provision_due_at=Now()
    )
    provision_wake()
