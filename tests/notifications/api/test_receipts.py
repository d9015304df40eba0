from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from notifications.models import CountDelta, Delivery, ParkedReceipt
from notifications.receipts import (
    PARK_ATTEMPTS,
    DeliveryUpdate,
    parked_receipts_retry,
    receipt_apply,
    receipt_token,
    receipt_token_read,
    receipts_apply,
)
from notifications.states import TRANSITIONS, DeliveryState
from tenants.services import TenantCreated
from tests.notifications.api.conftest import delivery_make, device_make, notification_make

S = DeliveryState
ARRIVALS = [S.ACCEPTED, S.DELIVERED, S.OPENED, S.UNDELIVERED]  # settle, displayed, opened, failure


@pytest.fixture
def delivery(acme: TenantCreated) -> Delivery:
    return delivery_make(notification_make(acme.tenant), device_make(acme.tenant), state="sending")


@pytest.fixture
def client() -> APIClient:
    """A service worker: no credential."""
    return APIClient()


def state_of(delivery: Delivery) -> str:
    return Delivery.objects.get(id=delivery.id).state


def total_counts() -> Counter[str]:
    total: Counter[str] = Counter()
    for delta in CountDelta.objects.all():
        total.update(delta.counts)
    return Counter({state: count for state, count in total.items() if count})


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.lists(st.sampled_from(ARRIVALS), min_size=1, max_size=6), data=st.data())
def test_every_order_of_the_same_news_ends_alike(delivery: Delivery, order: list[S], data: Any) -> None:
    shuffled = data.draw(st.permutations(order))
    ends = []
    for arrivals in (order, shuffled):
        Delivery.objects.filter(id=delivery.id).update(state="sending")
        for state in arrivals:
            receipts_apply(updates=[DeliveryUpdate(delivery.id, state)])
        ends.append(state_of(delivery))
    assert ends[0] == ends[1] == max(order, key=lambda state: state.rank)


@pytest.mark.parametrize("before", DeliveryState)
@pytest.mark.parametrize("updates", ARRIVALS)
def test_news_counts_exactly_where_the_table_says(delivery: Delivery, before: S, updates: S) -> None:
    Delivery.objects.filter(id=delivery.id).update(state=before)
    rose = receipts_apply(updates=[DeliveryUpdate(delivery.id, updates)])
    assert (rose, state_of(delivery)) == ((1, updates) if updates in TRANSITIONS[before] else (0, before))


def test_counts_move_with_the_state(delivery: Delivery) -> None:
    for state in (S.DELIVERED, S.ACCEPTED, S.OPENED, S.OPENED):
        receipts_apply(updates=[DeliveryUpdate(delivery.id, state)])
    assert total_counts() == {"queued": -1, "opened": 1}  # a claimed delivery is counted as queued


def test_one_batch_may_hold_the_same_delivery_twice(delivery: Delivery) -> None:
    assert (
        receipts_apply(updates=[DeliveryUpdate(delivery.id, S.OPENED), DeliveryUpdate(delivery.id, S.DELIVERED)]) == 1
    )
    assert state_of(delivery) == "opened"


def test_a_lease_survives_a_receipt(delivery: Delivery) -> None:
    lease = uuid.uuid4()
    Delivery.objects.filter(id=delivery.id).update(lease=lease)
    receipts_apply(updates=[DeliveryUpdate(delivery.id, S.DELIVERED)])
    assert Delivery.objects.get(id=delivery.id).lease == lease


def test_a_client_says_what_became_of_it(delivery: Delivery, client: APIClient) -> None:
    body = {"receipts": [{"token": receipt_token(delivery.id), "event": "displayed"}]}
    answer = client.post("/v1/receipts", body, format="json")
    assert (answer.status_code, answer.json()) == (200, {"taken": 1, "refused": 0})
    assert state_of(delivery) == "delivered"


@pytest.mark.parametrize(
    ("event", "state"),
    [("displayed", "delivered"), ("dismissed", "delivered"), ("opened", "opened"), ("action", "opened")],
)
def test_events_are_states(delivery: Delivery, client: APIClient, event: str, state: str) -> None:
    body = {"receipts": [{"token": receipt_token(delivery.id), "event": event}]}
    client.post("/v1/receipts", body, format="json")
    assert state_of(delivery) == state


def test_the_action_taken_is_kept(delivery: Delivery, client: APIClient) -> None:
    body = {"receipts": [{"token": receipt_token(delivery.id), "event": "action", "action": "yes"}]}
    client.post("/v1/receipts", body, format="json")
    assert Delivery.objects.get(id=delivery.id).reason == "action:yes"


def test_a_token_that_is_not_ours_moves_nothing(delivery: Delivery, client: APIClient) -> None:
    token = receipt_token(delivery.id)
    forged = [token[:-4] + "AAAA", "", "é", "x" * 64, receipt_token(uuid.uuid4())[:22] + token[22:], token + "AA"]
    body = {"receipts": [{"token": text or "A", "event": "opened"} for text in forged]}
    assert client.post("/v1/receipts", body, format="json").json() == {"taken": 0, "refused": len(forged)}
    assert state_of(delivery) == "sending"


def test_a_token_names_its_delivery() -> None:
    delivery_id = uuid.uuid4()
    assert receipt_token_read(receipt_token(delivery_id)) == delivery_id
    assert len(receipt_token(delivery_id)) == 43


@pytest.mark.parametrize(
    "body", [{}, {"receipts": []}, {"receipts": [{"token": "A", "event": "read"}]}, {"receipts": [7]}]
)
def test_bad_bodies(client: APIClient, db: None, body: dict[str, Any]) -> None:
    assert client.post("/v1/receipts", body, format="json").status_code == 422


def test_at_most_a_hundred(client: APIClient, db: None) -> None:
    body = {"receipts": [{"token": "A", "event": "opened"}] * 101}
    assert client.post("/v1/receipts", body, format="json").status_code == 422


def failure(acme: TenantCreated, delivery: Delivery) -> None:
    receipt_apply(
        tenant=acme.tenant,
        app=delivery.lane.app,
        provider_message_id="m-1",
        state=S.UNDELIVERED,
        reason="InvalidPlatformToken",
    )


def test_a_vendors_late_word_finds_its_message(acme: TenantCreated, delivery: Delivery) -> None:
    Delivery.objects.filter(id=delivery.id).update(state="accepted", provider_message_id="m-1")
    failure(acme, delivery)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == ("undelivered", "InvalidPlatformToken")


def test_an_unknown_message_is_parked_until_settle_brings_it(acme: TenantCreated, delivery: Delivery) -> None:
    failure(acme, delivery)
    Delivery.objects.filter(id=delivery.id).update(state="accepted", provider_message_id="m-1")
    ParkedReceipt.objects.update(due_at=timezone.now())
    assert parked_receipts_retry() == 1
    assert state_of(delivery) == "undelivered"
    assert not ParkedReceipt.objects.exists()


def test_a_parked_receipt_waits_its_time(acme: TenantCreated, delivery: Delivery) -> None:
    failure(acme, delivery)
    assert parked_receipts_retry() == 0


def test_a_message_nobody_knows_is_given_up(acme: TenantCreated, delivery: Delivery) -> None:
    failure(acme, delivery)
    for _ in range(PARK_ATTEMPTS):
        assert ParkedReceipt.objects.exists()
        ParkedReceipt.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        parked_receipts_retry()
    assert not ParkedReceipt.objects.exists()


def test_another_tenants_message_id_is_unknown(acme: TenantCreated, globex: TenantCreated, delivery: Delivery) -> None:
    Delivery.objects.filter(id=delivery.id).update(state="accepted", provider_message_id="m-1")
    theirs = delivery_make(notification_make(globex.tenant), device_make(globex.tenant), state="sending")
    failure(globex, theirs)
    assert state_of(delivery) == "accepted"
