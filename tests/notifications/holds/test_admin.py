"""What an operator sees of a hold, and the decisions in the admin."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from notifications.holds.models import Hold
from notifications.models import Delivery, Lane, Notification
from notifications.services import lane_resume
from pushhub.kernel.errors import ApiError
from tests.notifications.builders import states
from tests.notifications.holds.conftest import MANY, Shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    return client


def act(console: Client, action: str, hold: Hold) -> str:
    body = {"action": action, "_selected_action": [str(hold.pk)]}
    return console.post(reverse("admin:notifications_hold_changelist"), body, follow=True).content.decode()


def test_the_page_shows_since_when_why_and_how_many(console: Client, shop: Shop, gone_spike: Notification) -> None:
    page = console.get(reverse("admin:notifications_hold_change", args=[shop.hold().pk])).content.decode()
    assert [part for part in (shop.origin, "devices_gone", "http 410", "Deliveries held now") if part not in page] == []


def test_a_held_delivery_says_why(console: Client, shop: Shop, gone_spike: Notification) -> None:
    delivery = Delivery.objects.filter(notification=gone_spike)[0]
    page = console.get(reverse("admin:notifications_delivery_change", args=[delivery.pk])).content.decode()
    assert re.search(f"It has been held since [-0-9: ]+ UTC, with all deliveries of web to {shop.origin}", page)


def test_an_operators_decision_is_executed_and_logged(
    console: Client, shop: Shop, gone_spike: Notification, work: Callable[[], None]
) -> None:
    assert "done" in act(console, "release", shop.hold())
    for _ in range(2):
        work()
    assert (states(gone_spike), shop.hold().released_by) == ({"accepted": MANY}, "olga")
    assert LogEntry.objects.get(object_id=str(shop.hold().pk)).user.get_username() == "olga"


def test_a_second_decision_is_refused_with_a_message(console: Client, shop: Shop, gone_spike: Notification) -> None:
    act(console, "confirm", shop.hold())
    assert "The hold is already released." in act(console, "release", shop.hold())


def test_a_holds_lane_cannot_be_resumed_alone(shop: Shop, gone_spike: Notification) -> None:
    lane = Lane.objects.get(push_origin=shop.origin, delivery_class="transactional")
    with pytest.raises(ApiError, match="release the hold"):
        lane_resume(tenant=shop.tenant, lane_id=lane.id)
