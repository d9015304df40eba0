from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from devices.models import AppState
from notifications.models import Delivery, Lane, Notification
from notifications.topics import topic_ensure, topic_subscribe
from tenants.services import TenantCreated
from tests.notifications.api.conftest import delivery_make, device_make, notification_make


@pytest.fixture
def console(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def delivery(acme: TenantCreated) -> Delivery:
    return delivery_make(notification_make(acme.tenant), device_make(acme.tenant, user="alice"))


def page(model: str, row: Any = None) -> str:
    if row is None:
        return reverse(f"admin:notifications_{model}_changelist")
    return reverse(f"admin:notifications_{model}_change", args=[row.pk])


def act(console: Client, model: str, action: str, row: Any) -> str:
    body = {"action": action, "_selected_action": [str(row.pk)]}
    return console.post(page(model), body, follow=True).content.decode()


@pytest.mark.parametrize(
    "model", ["notification", "delivery", "topic", "topicsubscription", "lane", "hold", "ratelimit", "parkedreceipt"]
)
def test_every_list_and_page_opens(console: Client, delivery: Delivery, acme: TenantCreated, model: str) -> None:
    topic_subscribe(tenant=acme.tenant, topic=topic_ensure(tenant=acme.tenant, name="updates"), users=["alice"])
    assert console.get(page(model)).status_code == 200
    rows = {"notification": delivery.notification, "delivery": delivery, "lane": delivery.lane}
    if model in rows:
        assert console.get(page(model, rows[model])).status_code == 200


def test_a_page_says_why_in_words(console: Client, delivery: Delivery) -> None:
    Delivery.objects.filter(id=delivery.id).update(state="cancelled", reason="user_changed")
    assert "The device was given to another user" in console.get(page("delivery", delivery)).content.decode()


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        ("lane", "An operator has paused its lane."),
        ("rate_limit", "is used up for the moment"),
        ("app", "The app web is misconfigured: 403"),
        ("endpoint", "still being created or updated"),
    ],
)
def test_a_waiting_delivery_says_what_is_in_its_way(
    console: Client, delivery: Delivery, obstacle: str, words: str
) -> None:
    app, device = delivery.lane.app, delivery.device
    match obstacle:
        case "lane":
            Lane.objects.update(paused_at=timezone.now(), paused_reason="by root")
        case "rate_limit":
            Lane.objects.update(rate_limited_until=timezone.now() + timedelta(seconds=60))
        case "app":
            type(app).objects.filter(pk=app.pk).update(state=AppState.MISCONFIGURED, state_reason="403")
        case "endpoint":
            type(device).objects.filter(pk=device.pk).update(endpoint_state="pending")
    assert words in console.get(page("delivery", delivery)).content.decode()


def test_a_deliverys_page_names_the_lane_and_its_pause(console: Client, delivery: Delivery) -> None:
    Lane.objects.update(paused_at=timezone.now(), paused_reason="by root")
    assert "paused: by root" in console.get(page("delivery", delivery)).content.decode()


def test_a_notifications_page_says_why_deliveries_failed(console: Client, delivery: Delivery) -> None:
    Delivery.objects.filter(id=delivery.id).update(state="gone", reason="http 410")
    Notification.objects.update(counts={"gone": 1})
    shown = console.get(page("notification", delivery.notification)).content.decode()
    assert "The push service answered 410: the subscription has expired or was cancelled." in shown


@pytest.mark.parametrize("by", ["delivery", "notification", "device", "user"])
def test_a_delivery_is_found(console: Client, delivery: Delivery, by: str) -> None:
    words = {
        "delivery": delivery.id,
        "notification": delivery.notification_id,
        "device": delivery.device.device_id,
        "user": "alice",
    }
    found = console.get(page("delivery"), {"q": str(words[by])})
    assert str(delivery.id) in found.content.decode()


@pytest.mark.parametrize("words", ["bob", "00000000-0000-7000-8000-000000000000"])
def test_what_is_unknown_finds_nothing(console: Client, delivery: Delivery, words: str) -> None:
    assert str(delivery.id) not in console.get(page("delivery"), {"q": words}).content.decode()


def test_cancelling_from_the_console(console: Client, delivery: Delivery) -> None:
    act(console, "notification", "cancel", delivery.notification)
    assert Notification.objects.get().state == "cancelled"


def test_a_refusal_is_told(console: Client, acme: TenantCreated) -> None:
    completed = notification_make(acme.tenant, state="completed")
    assert "nothing is left to cancel" in act(console, "notification", "cancel", completed)
    assert not LogEntry.objects.exists()


def test_redriving_from_the_console(console: Client, delivery: Delivery) -> None:
    Delivery.objects.filter(id=delivery.id).update(state="dead")
    assert "1 deliveries queued again" in act(console, "notification", "redrive", delivery.notification)


def test_a_lane_is_paused_and_resumed(console: Client, delivery: Delivery) -> None:
    act(console, "lane", "pause", delivery.lane)
    lane = Lane.objects.get()
    assert (lane.paused_at is not None, lane.paused_reason) == (True, "by root")
    act(console, "lane", "resume", delivery.lane)
    assert Lane.objects.get().paused_at is None


def test_a_test_push_is_sent(console: Client, acme: TenantCreated) -> None:
    device = device_make(acme.tenant, user="alice")
    body = {"tenant": str(acme.tenant.pk), "device_id": str(device.device_id), "title": "Test push"}
    console.post(reverse("admin:notifications_notification_add"), body)
    assert Delivery.objects.get().device_id == device.pk


def test_a_test_push_names_one_recipient(console: Client, acme: TenantCreated) -> None:
    body = {"tenant": str(acme.tenant.pk), "title": "Test push"}
    answer = console.post(reverse("admin:notifications_notification_add"), body)
    assert "Name a user or a device" in answer.content.decode()
    assert not Notification.objects.exists()


@pytest.mark.parametrize(("role", "allowed"), [("viewer", False), ("support", True), ("admin", True)])
def test_roles(acme: TenantCreated, role: str, allowed: bool) -> None:
    operator = User.objects.create_user("olga", is_staff=True)
    operator.groups.add(Group.objects.get(name=role))
    console = Client()
    console.force_login(operator)
    notification = notification_make(acme.tenant)
    assert console.get(page("notification", notification)).status_code == 200
    act(console, "notification", "cancel", notification)
    assert (Notification.objects.get().state == "cancelled") is allowed


def test_history_cannot_be_changed(console: Client, delivery: Delivery) -> None:
    assert console.post(page("delivery", delivery), {"state": "opened"}).status_code == 403
    assert console.post(page("delivery", delivery) + "delete/").status_code in {403, 404}


def test_a_test_push_from_the_list_of_devices(console: Client, acme: TenantCreated) -> None:
    device = device_make(acme.tenant, user="alice")
    body = {"action": "send_test_push", "_selected_action": [str(device.pk)]}
    answer = console.post(reverse("admin:devices_device_changelist"), body, follow=True)
    assert Delivery.objects.get().device_id == device.pk
    assert "see what becomes of it" in answer.content.decode()
    assert LogEntry.objects.get().object_id == str(device.pk)
