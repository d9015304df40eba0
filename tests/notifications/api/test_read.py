from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from notifications.counts import bucket
from notifications.models import CountDelta, Delivery
from notifications.selectors import FAILURES_READ
from notifications.states import DeliveryState
from tenants.services import TenantCreated
from tests.notifications.api.conftest import delivery_make, device_make, notification_make


def url(notification: Any, rest: str = "") -> str:
    return f"/v1/notifications/{notification.id}{rest}"


def test_every_state_is_counted_zeros_too(acme: TenantCreated, backend: APIClient) -> None:
    counts = backend.get(url(notification_make(acme.tenant))).data["counts"]
    assert counts == dict.fromkeys(DeliveryState.values, 0)


def test_counts_are_what_is_folded_plus_what_is_not(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant, counts={"queued": 10, "accepted": 90})
    CountDelta.objects.create(notification_id=notification.id, counts={"queued": -3, "accepted": 3})
    CountDelta.objects.create(notification_id=notification.id, counts={"queued": -2, "dead": 2})
    counts = backend.get(url(notification)).data["counts"]
    assert (counts["queued"], counts["accepted"], counts["dead"]) == (5, 93, 2)


def test_delays_are_percentiles_of_folded_and_unfolded(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant, delays={str(bucket(100)): 98})
    CountDelta.objects.create(notification_id=notification.id, counts={}, delays={str(bucket(5000)): 2})
    delays = backend.get(url(notification)).data["delay_ms"]
    assert 100 <= delays["p50"] <= 105
    assert 5000 <= delays["p99"] <= 5250


def test_delays_are_null_before_the_first(acme: TenantCreated, backend: APIClient) -> None:
    delays = backend.get(url(notification_make(acme.tenant))).data["delay_ms"]
    assert delays == {"p50": None, "p95": None, "p99": None}


def test_reading_costs_the_same_whatever_the_size(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant, counts={"accepted": 1_000_000})
    CountDelta.objects.bulk_create(
        CountDelta(notification_id=notification.id, counts={"accepted": 1}, delays={str(n): 1}) for n in range(300)
    )
    with CaptureQueriesContext(connection) as queries:
        assert backend.get(url(notification)).data["counts"]["accepted"] == 1_000_300
    assert not any("notifications_delivery" in query["sql"] for query in queries)


def test_another_tenants_notification_is_not_there(globex: TenantCreated, backend: APIClient) -> None:
    theirs = notification_make(globex.tenant)
    assert [backend.get(url(theirs, rest)).status_code for rest in ("", "/deliveries")] == [404, 404]


def test_deliveries_show_the_public_ids(acme: TenantCreated, backend: APIClient) -> None:
    notification, device = notification_make(acme.tenant), device_make(acme.tenant, user="alice")
    delivery = delivery_make(notification, device, state="rejected", reason="BadDeviceToken", attempt=2)
    row = backend.get(url(notification, "/deliveries")).json()["data"][0]
    assert (row["id"], row["device_id"], row["user_id"]) == (str(delivery.id), str(device.device_id), "alice")
    assert (row["state"], row["reason"], row["attempts"], row["due_at"]) == ("rejected", "BadDeviceToken", 2, None)


def test_deliveries_are_explained(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant)
    delivery_make(notification, device_make(acme.tenant), state="dead", reason="http 503", attempt=10)
    row = backend.get(url(notification, "/deliveries")).json()["data"][0]
    answered = "The push service answered 503 to the tenth attempt: it has an internal problem."
    assert row["explanation"] == f"{answered} All retries are used up."
    assert row["remedy"] == "Usually temporary. See the status page of the push service."


def test_an_expired_delivery_says_when_and_what_it_waited_for(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant, expires_at=datetime(2026, 11, 25, 19, 29, tzinfo=UTC))
    delivery_make(notification, device_make(acme.tenant), state="expired", reason="held")
    row = backend.get(url(notification, "/deliveries")).json()["data"][0]
    assert row["explanation"].startswith("It expired at 2026-11-25 19:29:00 UTC after it had been held, because ")


def test_a_delivery_of_a_deleted_app_is_explained(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant)
    delivery = delivery_make(notification, device_make(acme.tenant), state="rejected", reason="http 400")
    delivery.lane.delete()
    row = backend.get(url(notification, "/deliveries")).json()["data"][0]
    assert row["explanation"] == "The vendor answered 400."


def test_a_notification_says_why_deliveries_failed(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant, counts={"gone": 2, "cancelled": 1, "accepted": 7})
    device = device_make(acme.tenant)
    for reason in ("http 410", "http 410", "http 404"):
        delivery_make(notification, device, state="gone", reason=reason)
    delivery_make(notification, device, state="cancelled", reason="user_changed")
    failures = backend.get(url(notification)).json()["failures"]
    assert [(row["state"], row["reason"], row["deliveries"]) for row in failures] == [
        ("gone", "http 410", 2),
        ("gone", "http 404", 1),
        ("cancelled", "user_changed", 1),
    ]
    assert failures[0]["explanation"].startswith("The push service answered 410: ")


def test_failures_are_read_from_a_bounded_number_of_rows(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant, counts={"gone": 1_000, "dead": 1_000})
    device = device_make(acme.tenant)
    old = delivery_make(notification, device, state="gone", reason="oldest")
    columns = {"lane": old.lane, "generation": 0, "due_at": timezone.now(), "reason": "http 410"}
    for state in ("gone", "dead"):
        Delivery.objects.bulk_create(
            Delivery(tenant=acme.tenant, notification=notification, device=device, state=state, **columns)
            for _ in range(FAILURES_READ)
        )
    with CaptureQueriesContext(connection) as queries:
        failures = backend.get(url(notification)).json()["failures"]
    assert [(row["reason"], row["deliveries"]) for row in failures] == [("http 410", FAILURES_READ)] * 2
    assert len([query for query in queries if "notifications_delivery" in query["sql"]]) == 1


def test_a_delivery_does_not_name_the_devices_next_user(acme: TenantCreated, backend: APIClient) -> None:
    notification, device = notification_make(acme.tenant), device_make(acme.tenant, user="bob", generation=2)
    delivery_make(notification, device, generation=1)
    assert backend.get(url(notification, "/deliveries")).json()["data"][0]["user_id"] is None


def test_a_delivery_outlives_its_device(acme: TenantCreated, backend: APIClient) -> None:
    notification, device = notification_make(acme.tenant), device_make(acme.tenant)
    delivery_make(notification, device)
    device.delete()
    assert backend.get(url(notification, "/deliveries")).json()["data"][0]["device_id"] is None


def test_deliveries_are_paged_and_filtered(acme: TenantCreated, backend: APIClient) -> None:
    notification, device = notification_make(acme.tenant), device_make(acme.tenant)
    dead = [delivery_make(notification, device, state="dead") for _ in range(3)]
    delivery_make(notification, device, state="accepted")
    query = {"state": "dead", "limit": "2"}
    first = backend.get(url(notification, "/deliveries"), query).json()
    rest = backend.get(url(notification, "/deliveries"), query | {"cursor": first["next"]}).json()
    assert [row["id"] for row in first["data"] + rest["data"]] == sorted(str(delivery.id) for delivery in dead)
    assert rest["next"] is None


def test_a_page_of_deliveries_takes_few_queries(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant)
    for name in ("alice", "bob", "carol"):
        delivery_make(notification, device_make(acme.tenant, user=name))
    with CaptureQueriesContext(connection) as queries:
        backend.get(url(notification, "/deliveries"))
    assert len(queries) <= 6


def test_the_list_is_newest_first_and_ones_own(acme: TenantCreated, globex: TenantCreated, backend: APIClient) -> None:
    notification_make(globex.tenant)
    made = [notification_make(acme.tenant) for _ in range(3)]
    rows = backend.get("/v1/notifications").json()["data"]
    assert [row["id"] for row in rows] == sorted((str(notification.id) for notification in made), reverse=True)


def test_the_list_filters_by_state_and_time(acme: TenantCreated, backend: APIClient) -> None:
    notification_make(acme.tenant, state="completed")
    soon = (timezone.now() + timedelta(minutes=1)).isoformat()
    queries = ({"state": "completed"}, {"state": "sending"}, {"created_before": soon}, {"created_after": soon})
    found = [len(backend.get("/v1/notifications", query).json()["data"]) for query in queries]
    assert found == [1, 0, 1, 0]


def test_unknown_filters_are_refused(backend: APIClient) -> None:
    answer = backend.get("/v1/notifications", {"color": "red"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?color")
