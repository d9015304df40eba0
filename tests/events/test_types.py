"""Writers record the types and the data that `events.types` declares, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from avatars.states import AvatarState
from devices.bulk.models import JobState
from devices.models import AppState, EndpointState
from events.examples import EVENTS
from events.models import Event
from events.services import event_record, events_append, events_record
from events.types import PEOPLE, EventType
from tenants.services import TenantCreated

ROOT = Path(__file__).resolve().parents[2]
APPS = ("tenants", "devices", "notifications", "avatars")
# Types that are made of a state, `EventType(f"app.{state}")`, and the states for which events are recorded.
STATES: dict[str, set[str]] = {
    "app": set(AppState.values),
    "avatar": {AvatarState.APPROVED, AvatarState.REJECTED, AvatarState.IN_REVIEW, AvatarState.FAILED},
    "device": set(EndpointState.values) - {EndpointState.NONE},
    "job": {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED},
}


@pytest.fixture(scope="module")
def writers() -> str:
    """The source of the modules that may record events."""
    paths = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    return "\n".join(path.read_text("utf-8") for path in [*paths, ROOT / "events" / "services.py"])


def test_every_type_is_recorded_somewhere(writers: str) -> None:
    named = {EventType[name] for name in re.findall(r"EventType\.([A-Z_]+)", writers)}
    of_states = {EventType(f"{prefix}.{state}") for prefix, states in STATES.items() for state in states}
    assert set(re.findall(r'EventType\(f"(\w+)\.', writers)) == set(STATES)
    assert named | of_states == set(EventType)


def test_events_are_stored_by_the_services_of_events_only(writers: str) -> None:
    stored = r"\bEvent\.objects\.(create|bulk_create|get_or_create|update_or_create)"
    assert re.findall(stored, writers) == ["bulk_create"]  # by events.services


def test_the_fields_that_name_people_are_those_that_an_erasure_looks_at() -> None:
    named = {name for type in EventType for name, field in type.fields.items() if field.person}
    assert named == set(PEOPLE)
    assert not [type for type in EventType for name in PEOPLE if name in type.fields and not type.fields[name].person]


def test_the_example_of_the_api_has_the_declared_data() -> None:
    for event in EVENTS["data"]:
        EventType(event["type"]).check(event["data"])


def test_every_type_has_a_sentence() -> None:
    assert [type for type in EventType if not type.when.endswith(".")] == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"deliveries": 1, "reason": "410"},
        {"number": 1},
        {"deliveries": "1"},
        {"deliveries": None},
    ],
)
@pytest.mark.django_db
def test_other_data_than_declared_is_refused(acme: TenantCreated, data: dict[str, Any]) -> None:
    type = EventType.NOTIFICATION_DEAD
    with pytest.raises(ValueError, match=r"notification\.dead"):
        event_record(tenant=acme.tenant, type=type, data=data)
    with pytest.raises(ValueError, match=r"notification\.dead"):
        events_record(tenant=acme.tenant, type=type, happened=[("a", data)])
    with pytest.raises(ValueError, match=r"notification\.dead"):
        events_append(events=[Event(tenant=acme.tenant, type=type, data=data)])
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_an_unknown_type_is_refused(acme: TenantCreated) -> None:
    with pytest.raises(ValueError, match=r"device\.exploded"):
        events_append(events=[Event(tenant=acme.tenant, type="device.exploded")])


@pytest.mark.parametrize("type", [EventType.APP_HELD, EventType.NOTIFICATION_DEAD])
@pytest.mark.django_db
def test_the_type_decides_whether_operators_see_a_notice(acme: TenantCreated, type: EventType) -> None:
    values: dict[object, Any] = {str: "x", int: 1}
    data = {name: values[field.kind] for name, field in type.fields.items()}
    event_record(tenant=acme.tenant, type=type, data=data)
    events_record(tenant=acme.tenant, type=type, happened=[("a", data)])
    events_append(events=[Event(tenant=acme.tenant, type=type, data=data)])
    assert list(Event.objects.values_list("notice", flat=True)) == [type is EventType.APP_HELD] * 3
