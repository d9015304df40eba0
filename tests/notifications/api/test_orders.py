"""Settle, the client's receipts and the vendor's late failure, in every order: one end, one count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.engine.settle import settle
from notifications.engine.types import AppVersion, ClaimedDelivery, NotificationSnapshot, PickedLane, Settlement
from notifications.models import CountDelta, Delivery, ParkedReceipt
from notifications.receipts import DeliveryUpdate, parked_receipts_retry, receipt_apply, receipts_apply
from notifications.states import DeliveryState
from providers.registry import provider_get
from tenants.services import TenantCreated
from tests.notifications.api.conftest import delivery_make, device_make, notification_make

S = DeliveryState
LEASE = uuid4()
HAPPENINGS = ["settle", "displayed", "opened", "failure"]


@pytest.fixture
def delivery(acme: TenantCreated) -> Delivery:
    return delivery_make(notification_make(acme.tenant), device_make(acme.tenant))


def claimed(delivery: Delivery) -> ClaimedDelivery:
    app = delivery.lane.app
    return ClaimedDelivery(
        id=delivery.id,
        lease=LEASE,
        lane=PickedLane(
            delivery.lane_id,
            app.tenant_id,
            AppVersion(app.id, app.version, provider_get(app.provider), app.sns_platform, app.region),
        ),
        snapshot=NotificationSnapshot(delivery.notification_id, app.tenant_id, False, 60, 0.0, 0.0),
        attempt=0,
        device_id=delivery.device_id,
        generation=1,
        token_version=1,
        mapping_id=str(uuid4()),
        host="",
        sealed=b"",
        endpoint_arn="",
        vapid_key_id=None,
        deadline=0.0,
    )


def happen(delivery: Delivery, happening: str, outcome: S) -> None:
    match happening:
        case "settle":
            message_id = "m-1" if outcome is S.ACCEPTED else ""
            settle([Settlement(claimed(delivery), outcome, counted=True, wait=60, message_id=message_id)])
        case "displayed":
            receipts_apply(updates=[DeliveryUpdate(delivery.id, S.DELIVERED)])
        case "opened":
            receipts_apply(updates=[DeliveryUpdate(delivery.id, S.OPENED)])
        case "failure":
            app = delivery.lane.app
            receipt_apply(tenant=app.tenant, app=app, provider_message_id="m-1", state=S.UNDELIVERED, reason="x")


def play(delivery: Delivery, order: Sequence[str], outcome: S) -> tuple[str, dict[str, int]]:
    """From a claimed delivery through `order`, with a look at what is parked; the end, and how the counts moved."""
    ParkedReceipt.objects.all().delete()
    CountDelta.objects.all().delete()
    Delivery.objects.filter(id=delivery.id).update(
        state="sending", lease=LEASE, provider_message_id="", lease_expires_at=timezone.now()
    )
    for happening in order:
        happen(delivery, happening, outcome)
    ParkedReceipt.objects.update(due_at=timezone.now())
    parked_receipts_retry()
    counts: Counter[str] = Counter()
    for delta in CountDelta.objects.all():
        counts.update(delta.counts)
    return Delivery.objects.get(id=delivery.id).state, {state: n for state, n in counts.items() if n}


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    happened=st.lists(st.sampled_from(HAPPENINGS[1:]), unique=True),
    outcome=st.sampled_from([S.ACCEPTED, S.REJECTED, S.GONE, S.EXPIRED, S.DEAD, S.QUEUED]),
    data=st.data(),
)
def test_every_order_has_the_same_end_and_the_same_counts(
    delivery: Delivery, happened: list[str], outcome: S, data: Any
) -> None:
    ordered = ["settle", *happened]
    shuffled = data.draw(st.permutations(ordered))
    assert play(delivery, shuffled, outcome) == play(delivery, ordered, outcome)


@pytest.mark.parametrize(
    ("order", "end"),
    [
        (["settle"], "accepted"),
        (["failure", "settle"], "undelivered"),
        (["displayed", "settle", "failure"], "delivered"),
        (["opened", "displayed", "failure", "settle"], "opened"),
    ],
)
def test_the_end_is_the_highest_in_rank(delivery: Delivery, order: list[str], end: str) -> None:
    assert play(delivery, order, S.ACCEPTED) == (end, {"queued": -1, end: 1})
