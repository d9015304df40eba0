"""What time does to devices: those unseen for long are retired; tombstones no history names any more are removed."""

from collections import Counter
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from devices.models import CallbackReceipt, Device
from devices.services.endpoints import device_retire
from devices.sql import devices_unseen_lock
from events.services import event_record

BATCH = 500
RECEIPT_DAYS = 7  # SNS repeats a callback for about an hour


def devices_retire_unseen() -> int:
    """Retire one batch, with a notice per tenant. How many; fewer than BATCH = no more for now."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            ids = devices_unseen_lock(cursor, days=settings.PUSHHUB_DEVICE_RETIRE_DAYS, limit=BATCH)
        devices = list(Device.objects.filter(id__in=ids).select_related("tenant"))
        for device in devices:
            device_retire(device=device, reason="unseen", keeps=device)
        for tenant, count in Counter(device.tenant for device in devices).items():
            event_record(tenant=tenant, type="devices.retired", data={"count": count}, notice=True)
    return len(devices)


def tombstones_remove() -> int:
    """Deliveries are kept for PUSHHUB_DELIVERY_RETENTION_DAYS, and name the device. How many were removed."""
    before = timezone.now() - timedelta(days=settings.PUSHHUB_DELIVERY_RETENTION_DAYS + 1)
    ids = list(Device.objects.filter(deleted_at__lt=before, provision_due_at=None).values_list("id", flat=True)[:BATCH])
    Device.objects.filter(id__in=ids).delete()
    return len(ids)


def receipts_remove() -> None:
    before = timezone.now() - timedelta(days=RECEIPT_DAYS)
    CallbackReceipt.objects.filter(created_at__lt=before, confirm_due_at=None).delete()
