"""Callers without a key: clients with signed receipts, vendors with signed messages. Bounded and quick."""

from collections.abc import Mapping
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from devices.callbacks import UndeliveredPush, callback_apply
from notifications.api.examples import RECEIPT_EXAMPLES, RECEIPTS_TAKEN
from notifications.api.responses import ReceiptsResponse
from notifications.api.serializers import ReceiptsSerializer
from notifications.receipts import DeliveryUpdate, receipt_apply, receipt_token_read, receipts_apply
from notifications.states import DeliveryState
from providers.registry import providers_all
from pushhub.http.api import SignedView, bounded_body
from pushhub.http.openapi import documented
from pushhub.kernel.errors import ErrorCode

MAX_CALLBACK = max((provider.callbacks.max_bytes for provider in providers_all() if provider.callbacks), default=0)
EVENT_STATES = {
    "displayed": DeliveryState.DELIVERED,
    "dismissed": DeliveryState.DELIVERED,
    "opened": DeliveryState.OPENED,
    "action": DeliveryState.OPENED,
}


class ReceiptsView(SignedView):
    @documented(
        summary="Report what became of notifications on this device",
        description="For the client SDK. Each receipt has the signed token of its payload. Any order, any repetition.",
        request=ReceiptsSerializer,
        responses={200: ReceiptsResponse},
        examples=RECEIPT_EXAMPLES,
        response_examples={200: RECEIPTS_TAKEN},
    )
    def post(self, request: Request) -> Response:
        receipts = ReceiptsSerializer.read(request)["receipts"]
        updates = [item for item in map(_updates, receipts) if item is not None]
        receipts_apply(updates=updates)
        return Response({"taken": len(updates), "refused": len(receipts) - len(updates)})


def _updates(receipt: Mapping[str, str]) -> DeliveryUpdate | None:
    delivery_id = receipt_token_read(receipt["token"])
    if delivery_id is None:
        return None
    reason = f"action:{receipt['action']}" if "action" in receipt else ""
    return DeliveryUpdate(delivery_id, EVENT_STATES[receipt["event"]], reason)


class VendorCallbackView(SignedView):
    """Of each provider with callbacks, at `/callbacks/<its name>/{app_id}`."""

    @documented(
        summary="For Amazon SNS: subscription confirmations, endpoint events, delivery failures",
        description="The body is a message of SNS, as text/plain, with the signature of SNS.",
        responses={200: None},
        errors=[ErrorCode.SIGNATURE_INVALID, ErrorCode.NOT_FOUND],
    )
    def post(self, request: Request, app_id: UUID) -> Response:
        callback_apply(app_id=app_id, raw=bounded_body(request, limit=MAX_CALLBACK), apply=_undelivered)
        return Response(status=200)


def _undelivered(event: UndeliveredPush) -> None:
    receipt_apply(
        tenant=event.app.tenant,
        app=event.app,
        provider_message_id=event.provider_message_id,
        state=DeliveryState.UNDELIVERED,
        reason=event.reason,
    )
