"""Periodic work: retire devices that were not seen for long, delete tombstones that no delivery names any more."""

from collections import Counter
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from devices.models import CallbackReceipt, Device, VapidKey
from devices.services.endpoints import device_retire
from devices.sql import devices_unseen_lock
from events.services import event_record
from events.types import EventType

BATCH = 500
VAPID_KEY_DAYS = 30  # a browser may subscribe with a key and register only when it is opened next
RECEIPT_DAYS = 7  # SNS repeats a callback for about an hour


def devices_retire_unseen() -> int:
    """Retire one batch, with one notice for each tenant. How many; fewer than BATCH: no more for now."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            ids = devices_unseen_lock(cursor, days=settings.PUSHHUB_DEVICE_RETIRE_DAYS, limit=BATCH)
        devices = list(Device.objects.filter(id__in=ids).select_related("tenant"))
        for device in devices:
            device_retire(device=device, reason="unseen", keeps=device)
        for tenant, count in Counter(device.tenant for device in devices).items():
            event_record(tenant=tenant, type=EventType.DEVICES_RETIRED, data={"count": count})
    return len(devices)


def tombstones_remove() -> int:
    """Deliveries, which name the device, are kept for PUSHHUB_DELIVERY_RETENTION_DAYS. How many were deleted."""
    before = timezone.now() - timedelta(days=settings.PUSHHUB_DELIVERY_RETENTION_DAYS + 1)
    ids = list(Device.objects.filter(deleted_at__lt=before, provision_due_at=None).values_list("id", flat=True)[:BATCH])
    Device.objects.filter(id__in=ids).delete()
    return len(ids)


def receipts_remove() -> None:
    before = timezone.now() - timedelta(days=RECEIPT_DAYS)
    CallbackReceipt.objects.filter(created_at__lt=before, confirm_due_at=None).delete()


def vapid_keys_retire() -> int:
    """Retire keys that a newer key replaced long ago and that no subscription needs: no device has the key, and every
    device of the app has one. How many."""
    long_ago = timezone.now() - timedelta(days=VAPID_KEY_DAYS)
    live = Device.objects.filter(deleted_at=None)
    newer = VapidKey.objects.filter(
        app=OuterRef("app"), id__gt=OuterRef("id"), retired_at=None, created_at__lt=long_ago
    )
    unused = VapidKey.objects.filter(
        Exists(newer), ~Exists(Device.objects.filter(vapid_key=OuterRef("pk"))), retired_at=None
    )
    # Checked for few apps, because it reads all devices of an app.
    apps = [
        app for app in set(unused.values_list("app", flat=True)) if not live.filter(app=app, vapid_key=None).exists()
    ]
    return unused.filter(app__in=apps).update(retired_at=timezone.now())
