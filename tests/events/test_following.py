"""A reader that follows the log by the last id misses nothing, whatever clocks and transactions do."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from events.models import Event
from events.services import event_record, events_record
from events.types import EventType
from pushhub.kernel.ids import uuid7_time
from tenants.services import TenantCreated
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor) -> APIClient:
    return client_for(acme)


@pytest.fixture
def slow(acme: TenantCreated) -> Iterator[Any]:
    """Another process, whose transaction has recorded an event and is still open."""
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_event (tenant_id, type, subject, data, notice)"
            " VALUES (%s, 'avatar.deleted', 'slow', '{}', false)",
            [acme.tenant.id],
        )
    yield other
    other.close()


def record(created: TenantCreated, subject: str) -> Event:
    return event_record(tenant=created.tenant, type=EventType.AVATAR_DELETED, subject=subject)


def subjects(backend: APIClient, query: str = "") -> list[str]:
    return [event["subject"] for event in backend.get(f"/v1/events{query}").json()["data"]]


def test_no_event_is_listed_before_an_earlier_open_transaction_ends(
    acme: TenantCreated, backend: APIClient, slow: Any
) -> None:
    record(acme, "quick")
    assert subjects(backend) == []
    slow.commit()
    assert subjects(backend) == ["slow", "quick"]


def test_events_before_an_open_transaction_are_listed(acme: TenantCreated, backend: APIClient, request: Any) -> None:
    record(acme, "before")
    time.sleep(0.002)
    request.getfixturevalue("slow")
    assert subjects(backend) == ["before"]


def test_events_of_a_host_whose_clock_is_behind_are_not_missed(
    acme: TenantCreated, backend: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = record(acme, "seen").id
    real = time.time_ns
    monkeypatch.setattr("pushhub.kernel.ids.time.time_ns", lambda: real() - 10 * 10**9)
    record(acme, "late")
    events_record(tenant=acme.tenant, type=EventType.AVATAR_DELETED, happened=[("a", {}), ("b", {})])
    time.sleep(0.002)
    assert subjects(backend, f"?after={seen}") == ["late", "a", "b"]


def test_the_time_of_an_event_is_by_the_clock_of_the_database(acme: TenantCreated) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        before = cursor.fetchone()[0]
    event = record(acme, "now")
    assert -0.001 <= (uuid7_time(event.id) - before).total_seconds() < 5
    assert (event.id.version, event.id.variant) == (7, "specified in RFC 4122")
