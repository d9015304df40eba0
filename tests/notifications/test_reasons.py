"""The reasons that pushhub writes, and what an upgrade makes of those it wrote before."""

from __future__ import annotations

from importlib import import_module

from django.db import connection

from notifications.models import Delivery
from tenants.services import TenantCreated
from tests.notifications.api.conftest import delivery_make, device_make, notification_make


def test_an_upgrade_translates_what_expired_in_a_hold(acme: TenantCreated) -> None:
    notification, device = notification_make(acme.tenant), device_make(acme.tenant)
    for reason in ("expired_held", "expired"):
        delivery_make(notification, device, state="expired", reason=reason)
    with connection.cursor() as cursor:
        cursor.execute(import_module("notifications.migrations.0012_reasons").TRANSLATE)
    assert set(Delivery.objects.values_list("reason", flat=True)) == {"held", "expired"}
