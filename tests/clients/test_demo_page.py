"""The demo page's views are plain Django views: errors of services become problem documents there too."""

from uuid import uuid4

import pytest
from django.core.management import call_command
from django.test import Client

from notifications.models import Notification
from tenants.services import TenantCreated
from tests.notifications.builders import notification_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    call_command("demo_setup")
    return Client(raise_request_exception=False)


def test_an_unknown_notification_is_a_404(client: Client) -> None:
    response = client.get(f"/demo/notifications/{uuid4()}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_a_notification_of_another_tenant_is_a_404(client: Client, acme: TenantCreated) -> None:
    notification = notification_make(acme.tenant, {"users": ["alice"]})
    notification.save()
    assert Notification.objects.filter(id=notification.id).exists()
    assert client.get(f"/demo/notifications/{notification.id}").status_code == 404
