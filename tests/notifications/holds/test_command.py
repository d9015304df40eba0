"""The operator's decision on the command line."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from notifications.models import Notification
from tests.notifications.builders import states
from tests.notifications.holds.conftest import MANY, Shop

pytestmark = pytest.mark.django_db


def printed(shop: Shop, *options: str) -> str:
    out = StringIO()
    call_command("holds", shop.tenant.slug, *options, stdout=out)
    return out.getvalue().strip()


def test_nothing_is_held(shop: Shop) -> None:
    assert printed(shop) == "Nothing is held."


def test_what_is_held_is_shown(shop: Shop, gone_spike: Notification) -> None:
    assert f"gone_spike  web  {shop.origin}  http 410" in printed(shop)
    assert f"devices_gone {MANY}" in printed(shop, "--push-origin", shop.origin)
    assert printed(shop, "--push-origin", "https://other.example") == "Nothing is held."


@pytest.mark.parametrize(("decision", "state"), [("--fine", "accepted"), ("--gone", "gone")])
def test_the_decision(
    shop: Shop, gone_spike: Notification, work: Callable[[], None], decision: str, state: str
) -> None:
    assert "gone_spike" in printed(shop, decision)
    for _ in range(3):
        work()
    assert (states(gone_spike), printed(shop)) == ({state: MANY}, "Nothing is held.")


def test_a_hold_about_credentials_cannot_be_confirmed(shop: Shop, work: Callable[[], None]) -> None:
    shop.send(shop.browsers(MANY, "forbidden"))
    work()
    with pytest.raises(CommandError, match="no device is reported as gone"):
        printed(shop, "--gone")
