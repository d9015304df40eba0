"""People are erased while other requests name them: the request that loses starts again, and no caller gets a 500."""

from typing import Any
from uuid import uuid4

import pytest

from avatars.models import Avatar
from avatars.services import uploads
from devices.models import Device
from devices.services import device_update
from notifications.models import TopicSubscription
from notifications.topics import Subscribed, topic_ensure, topic_subscribe
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller
from tenants.erasure import end_user_erase
from tenants.models import EndUser
from tenants.services import TenantCreated, end_user_ensure
from tests.devices.builders import at_once, register
from tests.devices.conftest import subscription

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 24


def test_subscribing_while_being_erased(acme: TenantCreated) -> None:
    topic, device_id = topic_ensure(tenant=acme.tenant, name="news"), uuid4()

    def work(index: int) -> Any:
        if index % 3 == 0:
            return end_user_erase(tenant=acme.tenant, user_id="alice")
        if index % 3 == 1:
            register(acme, device_id, user="alice", subscription=subscription())
        return topic_subscribe(tenant=acme.tenant, topic=topic, users=["alice"], devices=[device_id])

    assert {type(result) for result in at_once(MANY, work)} <= {Subscribed, bool}
    assert not TopicSubscription.objects.filter(user=None, device=None).exists()


def test_logging_in_while_being_erased(acme: TenantCreated) -> None:
    device_id = uuid4()
    register(acme, device_id, subscription=subscription())
    backend = Caller(acme.tenant, "server_key", "key:test")

    def work(index: int) -> Any:
        if index % 3 == 0:
            return end_user_erase(tenant=acme.tenant, user_id=f"user-{index % 2}")
        user_id = f"user-{index % 2}"
        try:
            return device_update(
                tenant=acme.tenant, caller=backend, device_id=device_id, user_id=user_id, profile={"tags": [user_id]}
            )
        except ApiError as error:
            return error.code

    assert {type(result) for result in at_once(MANY, work)} <= {Device, bool, ErrorCode}


def test_uploads_started_at_once_are_bounded(acme: TenantCreated) -> None:
    def work(index: int) -> Any:
        return uploads.avatar_create(tenant=acme.tenant, user_id="alice", content_type="image/jpeg")

    at_once(MANY, work)
    assert Avatar.objects.count() == uploads.MAX_OPEN


def test_starting_an_upload_while_being_erased(acme: TenantCreated, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the moment between looking the user up and writing the avatar."""
    first = end_user_ensure(tenant=acme.tenant, user_id="alice")

    def ensure(**named: Any) -> EndUser:
        found = end_user_ensure(**named)
        if found == first:
            at_once(1, lambda _: end_user_erase(tenant=acme.tenant, user_id="alice"))
        return found

    monkeypatch.setattr(uploads, "end_user_ensure", ensure)
    created = uploads.avatar_create(tenant=acme.tenant, user_id="alice", content_type="image/jpeg")
    assert created.avatar.user == EndUser.objects.get() != first
