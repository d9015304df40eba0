"""Runs as a process of its own, on the fault tests' private cluster: `python -m tests.faults.seed devices|send`."""

import json
import os
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from uuid import uuid4

import django


def devices() -> None:
    """Subscriptions on standard input become a tenant's web push devices."""
    from devices.models import App, Device, EndpointState, Platform, VapidKey
    from devices.sealing import endpoint_hash, endpoint_seal
    from tenants.models import Tenant

    given = json.load(sys.stdin)
    tenant = Tenant.objects.create(slug="acme")
    app = App.objects.create(tenant=tenant, name="web", provider=App.Provider.WEBPUSH)
    key = VapidKey.objects.create(tenant=tenant, app=app, **_vapid(given["private_key"]))
    Device.objects.bulk_create(
        (
            Device(
                tenant=tenant,
                device_id=uuid4(),
                app=app,
                vapid_key=key,
                platform=Platform.WEB,
                push_origin=given["origin"],
                endpoint_sealed=endpoint_seal({"endpoint": subscription["endpoint"]} | subscription["keys"]),
                endpoint_hash=endpoint_hash(subscription["endpoint"]),
                endpoint_state=EndpointState.ACTIVE,
                secret_hash=os.urandom(32),
            )
            for subscription in given["subscriptions"]
        ),
        batch_size=1000,
    )


def send() -> None:
    """A broadcast to all of them; prints its id."""
    from django.db import transaction
    from django.utils import timezone

    from notifications.expand import expansion_begin
    from notifications.models import Notification
    from tenants.models import Tenant

    with transaction.atomic():
        notification = Notification(
            tenant=Tenant.objects.get(),
            to={"all": True},
            delivery_class="bulk",
            content={"title": "Hello"},
            ttl=3600,
            urgency="normal",
            state="queued",
            expires_at=timezone.now() + timedelta(hours=1),
        )
        expansion_begin(notification=notification)
    sys.stdout.write(str(notification.id))


def public_key(private_key: str) -> str:
    """base64url of the uncompressed point."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    scalar = int.from_bytes(urlsafe_b64decode(private_key + "=="))
    point = ec.derive_private_key(scalar, ec.SECP256R1()).public_key()
    return urlsafe_b64encode(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).rstrip(b"=").decode()


def _vapid(private_key: str) -> dict[str, object]:
    from devices.sealing import VAPID_PRIVATE_KEY
    from pushhub.crypto import seal

    sealed = seal(urlsafe_b64decode(private_key + "=="), purpose=VAPID_PRIVATE_KEY)
    return {"public_key": public_key(private_key), "private_key_sealed": sealed, "sub": "mailto:ops@example.com"}


if __name__ == "__main__":
    django.setup()
    {"devices": devices, "send": send}[sys.argv[1]]()
