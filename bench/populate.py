"""Fills a benchmark's database with web push devices: `python -m bench.populate TENANT COUNT URL`, a million a minute.

The first thousands are made as the service makes them, with the P-256 keys of 200 browsers and different endpoints.
PostgreSQL makes all others as copies: they have new ids and hashes, and the sealed values of the originals.
"""

import base64
import os
import sys
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from devices.models import Device, VapidKey

ORIGINALS = 5_000
BATCH = 100_000
BROWSERS = 200

_COPY = """
INSERT INTO devices_device (device_id, mapping_id, endpoint_hash, {copied})
SELECT gen_random_uuid(), gen_random_uuid(), sha256(uuid_send(gen_random_uuid())), {copied}
FROM generate_series(1, %(count)s) AS number JOIN (
    SELECT row_number() OVER (ORDER BY id) AS place, * FROM devices_device
    WHERE app_id = %(app)s AND push_origin = %(origin)s ORDER BY id LIMIT %(originals)s
) AS original ON place = number %% %(originals)s + 1
ORDER BY number
"""


def main() -> None:
    django.setup()
    from django.db import connection

    from devices.models import App, Device

    tenant, count, origin = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    app = App.objects.get(tenant__slug=tenant, name="web")
    originals = Device.objects.filter(app=app, push_origin=origin).count()
    new = max(0, min(count, ORIGINALS - originals))
    _originals_make(app.pk, new, origin)
    for start in range(new, count, BATCH):
        _copies_make(app.pk, min(BATCH, count - start), origin)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) devices_device")  # now, so that it does not happen during the measurement


def _originals_make(app_id: uuid.UUID, count: int, origin: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from devices.models import Device, VapidKey

    key = VapidKey.objects.get(app_id=app_id)
    points = [
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        for _ in range(BROWSERS)
    ]

    def fields(number: int) -> dict[str, str]:
        url = f"{origin}/push/{uuid.uuid4().hex}"
        return {"endpoint": url, "p256dh": _b64url(points[number % BROWSERS]), "auth": _b64url(os.urandom(16))}

    Device.objects.bulk_create(device_make(key, origin, fields(number)) for number in range(count))


def device_make(key: "VapidKey", origin: str, fields: Mapping[str, str]) -> "Device":
    """An unsaved browser whose subscription is `{"endpoint", "p256dh", "auth"}`, ready to receive."""
    from devices.models import Device, EndpointState
    from devices.sealing import endpoint_hash, endpoint_seal

    return Device(
        tenant_id=key.tenant_id,
        device_id=uuid.uuid4(),
        app_id=key.app_id,
        secret_hash=b"",
        platform="web",
        endpoint_sealed=endpoint_seal(fields, provider="webpush"),
        endpoint_hash=endpoint_hash(fields["endpoint"]),
        endpoint_state=EndpointState.ACTIVE,
        push_origin=origin,
        vapid_key=key,
    )


def _copies_make(app_id: uuid.UUID, count: int, origin: str) -> None:
    from django.db import connection

    from devices.models import Device

    own = {"id", "device_id", "mapping_id", "endpoint_hash"}
    columns = {field.column or "" for field in Device._meta.concrete_fields}
    copied = ", ".join(sorted(columns - own))
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"app": app_id, "origin": origin, "count": count, "originals": ORIGINALS}
        cursor.execute(_COPY.format(copied=copied), values)


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


if __name__ == "__main__":
    main()
