"""Periodic work on devices."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Device, VapidKey
from devices.upkeep import devices_retire_unseen, tombstones_remove, vapid_keys_retire
from events.models import Event
from tenants.models import Tenant
from tenants.services import TenantCreated
from tests.devices.conftest import web_body
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor) -> APIClient:
    return client_for(acme)


def seen(client: APIClient, days: int) -> str:
    """A device that was seen last `days` days ago."""
    key = str(uuid4())
    client.put(f"/v1/devices/{key}", web_body())
    Device.objects.filter(device_id=key).update(last_seen_at=timezone.now() - timedelta(days=days, hours=1))
    return key


def test_a_device_that_was_not_seen_for_long_is_retired(backend: APIClient) -> None:
    old, recent = seen(backend, 270), seen(backend, 269)
    assert devices_retire_unseen() == 1
    assert backend.get(f"/v1/devices/{old}").status_code == 404
    assert backend.get(f"/v1/devices/{recent}").status_code == 200


def test_operators_get_a_notice_with_the_number(backend: APIClient) -> None:
    seen(backend, 300)
    seen(backend, 300)
    devices_retire_unseen()
    assert Event.objects.get(notice=True).data == {"count": 2}


@pytest.mark.parametrize(("days", "retired"), [(7, 1), (365, 0), (0, 0)])
def test_a_tenant_has_its_own_number_of_days(backend: APIClient, acme: TenantCreated, days: int, retired: int) -> None:
    seen(backend, 300)
    Tenant.objects.filter(id=acme.tenant.id).update(device_retire_days=days)
    assert devices_retire_unseen() == retired


def test_retiring_can_be_switched_off(backend: APIClient, settings: object) -> None:
    settings.PUSHHUB_DEVICE_RETIRE_DAYS = 0  # type: ignore[attr-defined]
    seen(backend, 3000)
    assert devices_retire_unseen() == 0


def test_tombstones_outlive_the_deliveries_that_name_them(backend: APIClient) -> None:
    backend.delete(f"/v1/devices/{seen(backend, 1)}")
    assert tombstones_remove() == 0
    Device.objects.update(deleted_at=timezone.now() - timedelta(days=32))
    assert tombstones_remove() == 1


def test_a_tombstone_with_an_endpoint_to_delete_stays(backend: APIClient) -> None:
    backend.delete(f"/v1/devices/{seen(backend, 1)}")
    Device.objects.update(deleted_at=timezone.now() - timedelta(days=99), provision_due_at=timezone.now())
    assert tombstones_remove() == 0


def replaced(client: APIClient, *, days_ago: int) -> VapidKey:
    """The web app's first key, which a newer key replaced `days_ago` days ago."""
    client.post("/v1/apps/web:rotate", {})
    VapidKey.objects.update(created_at=timezone.now() - timedelta(days=days_ago, hours=1))
    return VapidKey.objects.order_by("id")[0]


@pytest.mark.parametrize(("days_ago", "retired"), [(30, 1), (29, 0)])
def test_an_unused_key_is_retired_after_some_time(backend: APIClient, days_ago: int, retired: int) -> None:
    old = replaced(backend, days_ago=days_ago)
    assert vapid_keys_retire() == retired
    assert VapidKey.objects.filter(id=old.id, retired_at=None).exists() is not bool(retired)


def test_a_key_that_serves_a_subscription_stays(backend: APIClient) -> None:
    backend.put(f"/v1/devices/{uuid4()}", web_body())
    replaced(backend, days_ago=300)
    assert vapid_keys_retire() == 0


def test_keys_stay_while_a_subscription_has_no_key(backend: APIClient) -> None:
    replaced(backend, days_ago=300)
    backend.put(f"/v1/devices/{uuid4()}", web_body())
    assert vapid_keys_retire() == 0


def test_the_only_key_stays(backend: APIClient) -> None:
    VapidKey.objects.update(created_at=timezone.now() - timedelta(days=300))
    assert vapid_keys_retire() == 0
