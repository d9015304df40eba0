"""After an erasure no event names the person, except the one that reports the erasure."""

from typing import Any

import pytest

from events.models import Event
from events.services import event_record
from events.types import EventType
from tenants.erasure import end_user_erase
from tenants.services import TenantCreated, end_user_ensure

pytestmark = pytest.mark.django_db

REGISTERED = {"user_id": "alice", "platform": "web", "app": "web"}


@pytest.mark.parametrize(
    ("type", "data", "left"),
    [
        (EventType.DEVICE_REGISTERED, REGISTERED, REGISTERED | {"user_id": None}),
        (EventType.DEVICE_USER_CHANGED, {"from": "alice", "to": "bob"}, {"from": None, "to": "bob"}),
        (EventType.DEVICE_USER_CHANGED, {"from": "bob", "to": "alice"}, {"from": "bob", "to": None}),
        (EventType.DEVICE_GONE, {"reason": "alice"}, {"reason": "alice"}),
    ],
)
def test_the_name_is_removed_from_events(
    acme: TenantCreated, type: EventType, data: dict[str, Any], left: dict[str, Any]
) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    event = event_record(tenant=acme.tenant, type=type, data=data)
    end_user_erase(tenant=acme.tenant, user_id="alice")
    event.refresh_from_db()
    assert event.data == left


def test_another_tenants_user_of_the_same_id_stays_named(acme: TenantCreated, globex: TenantCreated) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    event = event_record(tenant=globex.tenant, type=EventType.DEVICE_REGISTERED, data=REGISTERED)
    end_user_erase(tenant=acme.tenant, user_id="alice")
    event.refresh_from_db()
    assert event.data == REGISTERED


def test_readers_of_the_log_learn_whose_data_to_erase(acme: TenantCreated) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    end_user_erase(tenant=acme.tenant, user_id="alice")
    assert Event.objects.get(tenant=acme.tenant).subject == "alice"
