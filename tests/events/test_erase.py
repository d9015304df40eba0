"""An erased person is named by no event but the one that says so."""

from typing import Any

import pytest

from events.models import Event
from events.services import event_record
from tenants.erasure import end_user_erase
from tenants.services import TenantCreated, end_user_ensure

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("data", "left"),
    [
        ({"user_id": "alice", "app": "web"}, {"user_id": None, "app": "web"}),
        ({"from": "alice", "to": "bob"}, {"from": None, "to": "bob"}),
        ({"from": "bob", "to": "alice"}, {"from": "bob", "to": None}),
        ({"reason": "alice"}, {"reason": "alice"}),
    ],
)
def test_events_forget_the_name(acme: TenantCreated, data: Any, left: Any) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    event = event_record(tenant=acme.tenant, type="some.thing", data=data)
    end_user_erase(tenant=acme.tenant, user_id="alice")
    event.refresh_from_db()
    assert event.data == left


def test_another_tenants_alice_stays_named(acme: TenantCreated, globex: TenantCreated) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    event = event_record(tenant=globex.tenant, type="some.thing", data={"user_id": "alice"})
    end_user_erase(tenant=acme.tenant, user_id="alice")
    event.refresh_from_db()
    assert event.data == {"user_id": "alice"}


def test_followers_are_told_whom_to_forget(acme: TenantCreated) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    end_user_erase(tenant=acme.tenant, user_id="alice")
    assert Event.objects.get(tenant=acme.tenant).subject == "alice"
