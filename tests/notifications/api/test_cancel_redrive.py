from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from notifications.models import Delivery, LaneWakeup, Notification
from tenants.services import TenantCreated
from tests.notifications.api.conftest import delivery_make, device_make, notification_make


def cancel(backend: APIClient, notification: Notification) -> Any:
    return backend.post(f"/v1/notifications/{notification.id}:cancel")


def redrive(backend: APIClient, notification: Notification) -> Any:
    return backend.post(f"/v1/notifications/{notification.id}:redrive")


@pytest.mark.parametrize("state", ["scheduled", "queued", "sending"])
def test_what_is_open_can_be_cancelled(acme: TenantCreated, backend: APIClient, state: str) -> None:
    answer = cancel(backend, notification_make(acme.tenant, state=state))
    assert (answer.status_code, answer.data["state"]) == (200, "cancelled")


def test_cancelling_twice_changes_nothing(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant)
    assert cancel(backend, notification).data == cancel(backend, notification).data


def test_a_completed_notification_cannot_be_cancelled(acme: TenantCreated, backend: APIClient) -> None:
    answer = cancel(backend, notification_make(acme.tenant, state="completed"))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_a_scheduled_one_is_closed_at_once(acme: TenantCreated, backend: APIClient) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    notification = notification_make(acme.tenant, state="scheduled", send_at=tomorrow, expansion_due_at=tomorrow)
    cancel(backend, notification)
    notification.refresh_from_db()
    assert notification.expansion_due_at is not None
    assert notification.expansion_due_at <= timezone.now()


def test_the_dead_are_queued_again_with_a_fresh_budget(acme: TenantCreated, backend: APIClient) -> None:
    notification, device = notification_make(acme.tenant, counts={"dead": 1, "accepted": 1}), device_make(acme.tenant)
    dead = delivery_make(notification, device, state="dead", attempt=9, lost_leases=2, reason="503")
    delivery_make(notification, device, state="accepted")
    assert redrive(backend, notification).json() == {"redriven": 1, "more": False}
    dead.refresh_from_db()
    assert (dead.state, dead.attempt, dead.lost_leases, dead.reason) == ("queued", 0, 0, "")
    assert LaneWakeup.objects.filter(lane_id=dead.lane_id).count() == 1


def test_redriving_moves_the_counts(acme: TenantCreated, backend: APIClient) -> None:
    notification, device = notification_make(acme.tenant, counts={"dead": 2}), device_make(acme.tenant)
    for _ in range(2):
        delivery_make(notification, device, state="dead")
    redrive(backend, notification)
    counts = backend.get(f"/v1/notifications/{notification.id}").data["counts"]
    assert (counts["dead"], counts["queued"]) == (0, 2)


def test_a_completed_notification_is_open_again(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant, state="completed", completed_at=timezone.now())
    delivery_make(notification, device_make(acme.tenant), state="dead")
    redrive(backend, notification)
    assert backend.get(f"/v1/notifications/{notification.id}").data["state"] == "sending"


def test_nothing_dead_changes_nothing(acme: TenantCreated, backend: APIClient) -> None:
    notification = notification_make(acme.tenant, state="completed")
    assert redrive(backend, notification).json() == {"redriven": 0, "more": False}
    assert backend.get(f"/v1/notifications/{notification.id}").data["state"] == "completed"


@pytest.mark.parametrize(
    "columns",
    [{"expires_at": timezone.now() - timedelta(seconds=1)}, {"state": "cancelled"}],
    ids=["expired", "cancelled"],
)
def test_what_is_over_is_not_redriven(acme: TenantCreated, backend: APIClient, columns: dict[str, Any]) -> None:
    notification = notification_make(acme.tenant, **columns)
    delivery_make(notification, device_make(acme.tenant), state="dead")
    assert redrive(backend, notification).status_code == 409
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {"dead": 1}


def test_a_host_whose_clock_is_ahead_still_redrives(
    acme: TenantCreated, backend: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = notification_make(acme.tenant, expires_at=timezone.now() + timedelta(minutes=30))
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert redrive(backend, notification).status_code == 200


@pytest.mark.parametrize("action", [cancel, redrive])
def test_another_tenants_notification_is_not_there(globex: TenantCreated, backend: APIClient, action: Any) -> None:
    assert action(backend, notification_make(globex.tenant)).status_code == 404
