"""Old events are deleted."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from events.models import Event
from events.services import event_record
from events.tasks import events_upkeep
from events.types import EventType
from pushhub.kernel.ids import uuid7_floor
from tenants.services import TenantCreated

pytestmark = pytest.mark.django_db


def happened(created: TenantCreated, *, days_ago: int) -> UUID:
    event = event_record(tenant=created.tenant, type=EventType.USER_ERASED, subject="alice")
    aged = uuid7_floor(timezone.now() - timedelta(days=days_ago, minutes=1))
    Event.objects.filter(pk=event.pk).update(id=aged)
    return aged


def test_events_older_than_the_retention_are_deleted(acme: TenantCreated, settings: Settings) -> None:
    settings.PUSHHUB_EVENT_RETENTION_DAYS = 30
    happened(acme, days_ago=30)
    kept = happened(acme, days_ago=29)
    events_upkeep()
    assert [event.id for event in Event.objects.all()] == [kept]


def test_a_long_backlog_is_deleted_in_batches(acme: TenantCreated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.upkeep.BATCH", 2)
    for days in range(500, 505):
        happened(acme, days_ago=days)
    events_upkeep()
    assert not Event.objects.exists()
