from __future__ import annotations

from devices.models import Device
from notifications.models import TopicSubscription
from notifications.topics import topic_ensure, topic_subscribe
from tenants.erasure import end_user_erase
from tenants.services import TenantCreated, end_user_ensure
from tests.notifications.api.conftest import device_make, notification_make


def test_what_was_for_this_person_alone_loses_its_content(acme: TenantCreated) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    notification = notification_make(acme.tenant, to={"users": ["alice"]})
    end_user_erase(tenant=acme.tenant, user_id="alice")
    notification.refresh_from_db()
    assert (notification.to, notification.content) == ({"users": []}, {})


def test_what_was_for_several_forgets_the_name_only(acme: TenantCreated) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    notification = notification_make(acme.tenant, to={"users": ["bob", "alice"]})
    end_user_erase(tenant=acme.tenant, user_id="alice")
    notification.refresh_from_db()
    assert (notification.to, notification.content) == ({"users": ["bob"]}, {"title": "Hello"})


def test_another_tenants_alice_keeps_hers(acme: TenantCreated, globex: TenantCreated) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    theirs = notification_make(globex.tenant, to={"users": ["alice"]})
    end_user_erase(tenant=acme.tenant, user_id="alice")
    theirs.refresh_from_db()
    assert theirs.content == {"title": "Hello"}


def test_subscriptions_are_gone(acme: TenantCreated) -> None:
    topic_subscribe(tenant=acme.tenant, topic=topic_ensure(tenant=acme.tenant, name="updates"), users=["alice"])
    end_user_erase(tenant=acme.tenant, user_id="alice")
    assert not TopicSubscription.objects.exists()


def test_what_was_for_their_device_alone_loses_its_content(acme: TenantCreated) -> None:
    device = device_make(acme.tenant, user="alice")
    notification = notification_make(acme.tenant, to={"devices": [str(device.device_id)]})
    end_user_erase(tenant=acme.tenant, user_id="alice")
    notification.refresh_from_db()
    assert (notification.to, notification.content) == ({"devices": []}, {})


def test_their_devices_subscriptions_are_gone_though_a_tombstone_stays(acme: TenantCreated) -> None:
    device = device_make(acme.tenant, user="alice")
    Device.objects.filter(pk=device.pk).update(endpoint_arn="arn:aws:sns:eu-west-1:1:endpoint/APNS/acme/1")
    topic_subscribe(
        tenant=acme.tenant, topic=topic_ensure(tenant=acme.tenant, name="updates"), devices=[device.device_id]
    )
    end_user_erase(tenant=acme.tenant, user_id="alice")
    assert Device.objects.get(pk=device.pk).deleted_at is not None
    assert not TopicSubscription.objects.exists()
