"""The event log, pulled."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from events.models import Event
from events.services import event_record
from pushhub.kernel.ids import uuid7_floor
from tenants.services import TenantCreated
from tests.fixtures import ClientFor

pytestmark = [pytest.mark.urls("tests.tenants.urls"), pytest.mark.django_db]


def happened(created: TenantCreated, type: str, *, seconds_ago: Any, serial: Any = 0) -> Any:
    """An event as it stands in the log that long after it happened."""
    floor = uuid7_floor(timezone.now() - timedelta(seconds=seconds_ago))
    event = event_record(tenant=created.tenant, type=type)
    Event.objects.filter(pk=event.pk).update(id=type_id(floor, serial))
    return type_id(floor, serial)


def type_id(floor: Any, serial: Any) -> Any:
    return floor.__class__(int=floor.int + serial)


def types(answer: Any) -> Any:
    assert answer.status_code == 200, answer.json()
    return [event["type"] for event in answer.json()["data"]]


def test_events_come_oldest_first(acme: TenantCreated, client_for: ClientFor) -> None:
    happened(acme, "b", seconds_ago=10)
    happened(acme, "a", seconds_ago=20)
    assert types(client_for(acme).get("/v1/events")) == ["a", "b"]


def test_an_event_shows_when_its_place_is_final(acme: TenantCreated, client_for: ClientFor) -> None:
    event_record(tenant=acme.tenant, type="just.now")
    assert types(client_for(acme).get("/v1/events")) == []


def test_a_follower_resumes_after_what_it_has_seen(acme: TenantCreated, client_for: ClientFor) -> None:
    seen = happened(acme, "seen", seconds_ago=20)
    happened(acme, "new", seconds_ago=10)
    assert types(client_for(acme).get(f"/v1/events?after={seen}")) == ["new"]


def test_the_type_filters(acme: TenantCreated, client_for: ClientFor) -> None:
    for serial, type in enumerate(("device.gone", "user.erased")):
        happened(acme, type, seconds_ago=10, serial=serial)
    assert types(client_for(acme).get("/v1/events?type=user.erased")) == ["user.erased"]


def test_pages_follow_each_other(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    for serial in range(5):
        happened(acme, f"e{serial}", seconds_ago=10, serial=serial)
    first = client.get("/v1/events?limit=3")
    second = client.get(f"/v1/events?limit=3&cursor={first.json()['next']}")
    assert types(first) + types(second) == ["e0", "e1", "e2", "e3", "e4"]
    assert second.json()["next"] is None


def test_another_tenants_events_do_not_show(acme: TenantCreated, globex: TenantCreated, client_for: ClientFor) -> None:
    happened(acme, "secret", seconds_ago=10)
    assert types(client_for(acme).get("/v1/events")) == ["secret"]
    assert types(client_for(globex).get("/v1/events")) == []


def test_the_log_takes_its_scope(acme: TenantCreated, client_for: ClientFor, user_client: ClientFor) -> None:
    assert client_for(acme, scopes=["users:read"]).get("/v1/events").status_code == 403
    assert user_client(acme, "alice").get("/v1/events").status_code == 403


@pytest.mark.parametrize("query", ["cursor=rubbish", "limit=0", "limit=x", "after=1", "type=" + "x" * 61, "colour=red"])
def test_a_fault_in_the_query_is_4xx(acme: TenantCreated, client_for: ClientFor, query: str) -> None:
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
