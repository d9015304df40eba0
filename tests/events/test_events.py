"""Read the event log through the API."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from events.models import Event
from events.services import event_record
from events.types import EventType
from pushhub.kernel.ids import uuid7_floor
from tenants.services import TenantCreated
from tests.fixtures import ClientFor

pytestmark = [pytest.mark.urls("tests.tenants.urls"), pytest.mark.django_db]


def happened(
    created: TenantCreated,
    subject: str,
    *,
    seconds_ago: int,
    serial: int = 0,
    type: EventType = EventType.AVATAR_DELETED,
) -> UUID:
    """An event as it is in the log so many seconds after it happened; its id."""
    floor = uuid7_floor(timezone.now() - timedelta(seconds=seconds_ago))
    event = event_record(tenant=created.tenant, type=type, subject=subject)
    event_id = UUID(int=floor.int + serial)
    Event.objects.filter(pk=event.pk).update(id=event_id)
    return event_id


def subjects(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [event["subject"] for event in answer.json()["data"]]


def test_events_come_oldest_first(acme: TenantCreated, client_for: ClientFor) -> None:
    happened(acme, "b", seconds_ago=10)
    happened(acme, "a", seconds_ago=20)
    assert subjects(client_for(acme).get("/v1/events")) == ["a", "b"]


def test_an_event_is_listed_when_its_place_is_final(acme: TenantCreated, client_for: ClientFor) -> None:
    event_record(tenant=acme.tenant, type=EventType.AVATAR_DELETED)
    assert subjects(client_for(acme).get("/v1/events")) == []


def test_a_reader_continues_after_the_last_event_it_has_seen(acme: TenantCreated, client_for: ClientFor) -> None:
    seen = happened(acme, "seen", seconds_ago=20)
    happened(acme, "new", seconds_ago=10)
    assert subjects(client_for(acme).get(f"/v1/events?after={seen}")) == ["new"]


def test_the_type_filters(acme: TenantCreated, client_for: ClientFor) -> None:
    happened(acme, "avatar", seconds_ago=20)
    happened(acme, "alice", seconds_ago=10, type=EventType.USER_ERASED)
    answer = client_for(acme).get("/v1/events?type=user.erased")
    assert [(event["type"], event["subject"]) for event in answer.json()["data"]] == [("user.erased", "alice")]


def test_pages_follow_each_other(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    for serial in range(5):
        happened(acme, f"e{serial}", seconds_ago=10, serial=serial)
    first = client.get("/v1/events?limit=3")
    second = client.get(f"/v1/events?limit=3&cursor={first.json()['next']}")
    assert subjects(first) + subjects(second) == ["e0", "e1", "e2", "e3", "e4"]
    assert second.json()["next"] is None


def test_events_of_another_tenant_are_not_listed(
    acme: TenantCreated, globex: TenantCreated, client_for: ClientFor
) -> None:
    happened(acme, "secret", seconds_ago=10)
    assert subjects(client_for(acme).get("/v1/events")) == ["secret"]
    assert subjects(client_for(globex).get("/v1/events")) == []


def test_the_log_requires_its_scope(acme: TenantCreated, client_for: ClientFor, user_client: ClientFor) -> None:
    assert client_for(acme, scopes=["users:read"]).get("/v1/events").status_code == 403
    assert user_client(acme, "alice").get("/v1/events").status_code == 403


@pytest.mark.parametrize("query", ["cursor=invalid", "limit=0", "limit=x", "after=1", "type=" + "x" * 61, "colour=red"])
def test_an_invalid_query_is_4xx(acme: TenantCreated, client_for: ClientFor, query: str) -> None:
    assert client_for(acme).get(f"/v1/events?{query}").status_code in {400, 422}


def test_the_log_is_read_in_few_queries(
    acme: TenantCreated, client_for: ClientFor, django_assert_max_num_queries: Any
) -> None:
    client = client_for(acme)
    for serial in range(5):
        happened(acme, "e", seconds_ago=10, serial=serial)
    client.get("/v1/events")
    with django_assert_max_num_queries(3):
        client.get("/v1/events")
