"""The table of transitions, the constraints of the database, the page and the drawing say the same."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.db import IntegrityError, connection

from notifications import states
from notifications.states import RANKS, TRANSITIONS, DeliveryState, NotificationState
from tenants.services import TenantCreated
from tests.notifications.api.conftest import delivery_make, device_make, notification_make

DOCS = Path(__file__).parents[3] / "docs"
UPDATES = {DeliveryState.ACCEPTED, DeliveryState.UNDELIVERED, DeliveryState.DELIVERED, DeliveryState.OPENED}
STEPS = {(str(before), str(after)) for before, following in TRANSITIONS.items() for after in following}


def sentences(enum: type) -> dict[str, str]:
    """The comment after each member: `NAME = "value"  # sentence`."""
    source = Path(states.__file__).read_text("utf-8").split(f"class {enum.__name__}(")[1].split("\nclass ")[0]
    return dict(re.findall(r'^    [A-Z]+ = "([a-z]+)"  # (.+)$', source, re.M))


def table(*, columns: int) -> dict[str, tuple[str, ...]]:
    rows = re.findall(r"^\| `([a-z]+)` \|(.+)\|$", (DOCS / "lifecycle.md").read_text("utf-8"), re.M)
    return {
        state: tuple(cell.strip() for cell in rest.split("|")) for state, rest in rows if rest.count("|") == columns - 2
    }


def test_every_state_has_a_rank_and_a_row() -> None:
    assert set(TRANSITIONS) == set(RANKS) == set(DeliveryState)


def test_no_step_goes_down_in_rank_but_retry_redrive_and_what_a_hold_takes_back() -> None:
    down = {step for step in STEPS if RANKS[DeliveryState(step[1])] <= RANKS[DeliveryState(step[0])]}
    assert down == {("sending", "queued"), ("dead", "queued"), ("gone", "queued"), ("rejected", "queued")}


def test_the_page_tells_the_table() -> None:
    rows = table(columns=3)
    assert {state: row[0] for state, row in rows.items()} == sentences(DeliveryState)
    for state, row in rows.items():
        following = set(re.findall(r"`([a-z]+)`", row[1])) | (
            {str(state) for state in UPDATES} if "updates" in row[1] else set()
        )
        assert following == set(map(str, TRANSITIONS[DeliveryState(state)])), state


def test_the_page_tells_the_notifications_states() -> None:
    assert {state: row[0] for state, row in table(columns=2).items()} == sentences(NotificationState)


def test_the_drawing_tells_the_table() -> None:
    svg = ElementTree.parse(DOCS / "lifecycle.svg")
    drawn = set()
    for path in svg.iter("{http://www.w3.org/2000/svg}path"):
        if "data-from" in path.attrib:
            drawn |= set(product(path.attrib["data-from"].split(), path.attrib["data-to"].split()))
    boxes = {element.attrib["data-state"] for element in svg.iter() if "data-state" in element.attrib}
    assert (drawn, boxes) == (STEPS, set(DeliveryState.values))


def test_the_database_knows_the_same_states(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conname = 'delivery_state' AND conrelid = 'notifications_delivery'::regclass"
        )
        definition = cursor.fetchone()[0]
    assert set(re.findall(r"'([a-z]+)'", definition)) == set(DeliveryState.values)


def test_the_database_refuses_any_other(acme: TenantCreated) -> None:
    with pytest.raises(IntegrityError, match="delivery_state"):
        delivery_make(notification_make(acme.tenant), device_make(acme.tenant), state="sent")
