"""Subscriptions on standard input become web push devices: `python -m bench.faults.populate` prints their ids."""

import json
import sys
import uuid

import django

BATCH = 5_000


def main() -> None:
    django.setup()
    from devices.models import App, Device, EndpointState, Platform
    from devices.sealing import endpoint_hash, endpoint_seal

    given = json.load(sys.stdin)
    app = App.objects.get(name="web")
    key = app.vapid_keys.get()

    def device(subscription: dict[str, object]) -> Device:
        keys, endpoint = subscription["keys"], str(subscription["endpoint"])
        assert isinstance(keys, dict)
        return Device(
            tenant_id=app.tenant_id,
            device_id=uuid.uuid4(),
            app=app,
            secret_hash=b"",
            platform=Platform.WEB,
            endpoint_sealed=endpoint_seal({"endpoint": endpoint, **keys}),
            endpoint_hash=endpoint_hash(endpoint),
            endpoint_state=EndpointState.ACTIVE,
            push_origin=given["origin"],
            vapid_key=key,
        )

    devices = [device(subscription) for subscription in given["subscriptions"]]
    for begin in range(0, len(devices), BATCH):
        Device.objects.bulk_create(devices[begin : begin + BATCH])
    json.dump([str(device.device_id) for device in devices], sys.stdout)


if __name__ == "__main__":
    main()
