"""Fill a benchmark's database with web push devices, faster than any API would: `python -m bench.populate COUNT URL`.

Every device has its own id, capability URL and mapping; the P-256 keys of 200 browsers take turns.
"""

import base64
import os
import sys
import uuid

import django

BATCH = 5_000
BROWSERS = 200


def main() -> None:
    django.setup()
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from devices.models import App, Device, EndpointState, Platform
    from devices.sealing import endpoint_hash, endpoint_seal

    count, origin = int(sys.argv[1]), sys.argv[2]
    app = App.objects.get(name="web")
    key = app.vapid_keys.get()
    points = [
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        for _ in range(BROWSERS)
    ]

    def device(number: int) -> Device:
        url = f"{origin}/push/{uuid.uuid4().hex}"
        fields = {"endpoint": url, "p256dh": _b64url(points[number % BROWSERS]), "auth": _b64url(os.urandom(16))}
        return Device(
            tenant_id=app.tenant_id,
            device_id=uuid.uuid4(),
            app=app,
            secret_hash=b"",
            platform=Platform.WEB,
            endpoint_sealed=endpoint_seal(fields),
            endpoint_hash=endpoint_hash(url),
            endpoint_state=EndpointState.ACTIVE,
            push_origin=origin,
            vapid_key=key,
        )

    for start in range(0, count, BATCH):
        Device.objects.bulk_create([device(number) for number in range(start, min(start + BATCH, count))])


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


if __name__ == "__main__":
    main()
