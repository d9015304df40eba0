"""Bodies of the responses: the same classes write them and describe them in the OpenAPI document."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers
from typing_extensions import override

from devices.models import Device
from notifications.explain import Explanation
from notifications.models import Delivery, Notification, Topic, TopicSubscription
from notifications.selectors import FAILURES_READ, FAILURES_SHOWN, Failure, Tally
from notifications.states import FAILED, DeliveryClass, DeliveryState, NotificationState
from pushhub.kernel.ids import uuid7_time


class DelaysResponse(serializers.Serializer[Any]):
    """Milliseconds from acceptance by pushhub to acceptance by the vendor, to within 5 %; null before the first."""

    p50 = serializers.IntegerField(allow_null=True)
    p95 = serializers.IntegerField(allow_null=True)
    p99 = serializers.IntegerField(allow_null=True)


class CountsResponse(serializers.Serializer[Any]):
    """Deliveries by state, every state named. Those that a worker is sending count as `queued`: `sending` stays 0."""

    @override
    def get_fields(self) -> dict[str, Any]:
        return {state.value: serializers.IntegerField() for state in DeliveryState}


class NotificationResponse(serializers.Serializer[Notification]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(NotificationState.values)
    category = serializers.CharField()
    ttl = serializers.IntegerField()
    urgency = serializers.CharField()
    collapse_key = serializers.CharField()
    silent = serializers.BooleanField()
    rate = serializers.IntegerField(allow_null=True)
    send_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    cancelled_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)

    @override
    def get_fields(self) -> dict[str, Any]:
        """`class` cannot be the name of a class attribute."""
        return super().get_fields() | {
            "class": serializers.ChoiceField(DeliveryClass.values, source="delivery_class"),
        }


class FailureResponse(serializers.Serializer[Any]):
    """A reason why deliveries failed, the most frequent first."""

    state = serializers.ChoiceField([state.value for state in FAILED])
    reason = serializers.CharField(help_text="As in the list of deliveries.")
    deliveries = serializers.IntegerField(
        help_text=f"How many of the newest {FAILURES_READ} deliveries in this state; `counts` has the totals."
    )
    explanation = serializers.CharField(source="explanation.what", help_text="What happened, in a sentence.")
    remedy = serializers.CharField(source="explanation.remedy", help_text="What to do about it.")


class NotificationDetailResponse(NotificationResponse):
    """`completed` = every delivery is accepted, has ended, or waits only for a receipt."""

    to = serializers.DictField()
    content = serializers.DictField()
    counts = CountsResponse()
    failures = FailureResponse(many=True, help_text=f"At most {FAILURES_SHOWN} for each state.")
    delay_ms = DelaysResponse()


class PayloadResponse(serializers.Serializer[Any]):
    provider = serializers.CharField()
    platform = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes, with ids of the greatest length.")
    limit = serializers.IntegerField()
    payload = serializers.JSONField(help_text="As the device would get it; all ids are zeros.")


class DryRunResponse(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(default=True)
    audience = serializers.IntegerField(help_text="Devices that would be sent to now.")
    payloads = PayloadResponse(many=True)


class DeliveryResponse(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    device_id = serializers.UUIDField(allow_null=True, help_text="Null after the device was deleted.")
    user_id = serializers.CharField(allow_null=True, help_text="Null if the device has another user now.")
    state = serializers.ChoiceField(DeliveryState.values)
    reason = serializers.CharField(
        help_text="A reason of pushhub's or the vendor's own code: docs/reasons.md. Empty if there is none. What an "
        "expired delivery waited for stays here."
    )
    explanation = serializers.CharField(help_text="What happened or is in the way, in one or two sentences.")
    remedy = serializers.CharField(help_text="What to do about it.")
    attempts = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="The next attempt; null when there is none.")
    accepted_at = serializers.DateTimeField(allow_null=True)


class DeliveryPageResponse(serializers.Serializer[Any]):
    data = DeliveryResponse(many=True)  # type: ignore[assignment]  # a field of that name, not the property
    next = serializers.CharField(allow_null=True)


class NotificationPageResponse(serializers.Serializer[Any]):
    data = NotificationResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class RedrivenResponse(serializers.Serializer[Any]):
    redriven = serializers.IntegerField()
    more = serializers.BooleanField(help_text="Some dead deliveries may be left: repeat the request.")


class TopicResponse(serializers.Serializer[Topic]):
    name = serializers.CharField()
    created_at = serializers.DateTimeField()


class TopicPageResponse(serializers.Serializer[Any]):
    data = TopicResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class SubscriberResponse(serializers.Serializer[TopicSubscription]):
    user_id = serializers.CharField(source="user.user_id", allow_null=True, default=None)
    device_id = serializers.UUIDField(source="device.device_id", allow_null=True, default=None)
    created_at = serializers.DateTimeField()


class SubscriberPageResponse(serializers.Serializer[Any]):
    data = SubscriberResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class SubscribedResponse(serializers.Serializer[Any]):
    users = serializers.IntegerField(help_text="Of those named, how many are subscribed now.")
    devices = serializers.IntegerField()
    unknown_devices = serializers.ListField(child=serializers.UUIDField())


class ReceiptsResponse(serializers.Serializer[Any]):
    taken = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="Receipts with an invalid token.")


def notification_detail_response(
    notification: Notification, tally: Tally, failures: Sequence[Failure]
) -> dict[str, Any]:
    return {
        **NotificationResponse(notification).data,
        "to": notification.to,
        "content": notification.content,
        "counts": tally.counts,
        "failures": FailureResponse(failures, many=True).data,
        "delay_ms": tally.delay_ms,
    }


def delivery_response(delivery: Delivery, device: Device | None, explanation: Explanation) -> dict[str, Any]:
    waiting = delivery.state == DeliveryState.QUEUED
    row = {
        "id": delivery.id,
        "device_id": device.device_id if device is not None else None,
        "user_id": _user_id(delivery, device),
        "state": delivery.state,
        "reason": delivery.reason,
        "explanation": explanation.what,
        "remedy": explanation.remedy,
        "attempts": delivery.attempt,
        "created_at": uuid7_time(delivery.id),
        "due_at": delivery.due_at if waiting else None,
        "accepted_at": delivery.accepted_at,
    }
    return dict(DeliveryResponse(row).data)


def _user_id(delivery: Delivery, device: Device | None) -> str | None:
    """Whose device it was when the delivery was made, as long as it has no other user."""
    if device is None or device.user is None or device.generation != delivery.generation:
        return None
    return device.user.user_id
