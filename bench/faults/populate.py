"""Makes a web push device of each subscription on standard input and prints the ids of the devices.

Run as `python -m bench.faults.populate`.
"""

import json
import sys

import django

from bench.populate import device_make

BATCH = 5_000


def main() -> None:
    django.setup()
    from devices.models import Device, VapidKey

    given = json.load(sys.stdin)
    key = VapidKey.objects.get(app__name="web")
    devices = [
        device_make(key, given["origin"], {"endpoint": made["endpoint"], **made["keys"]})
        for made in given["subscriptions"]
    ]
    for begin in range(0, len(devices), BATCH):
        Device.objects.bulk_create(devices[begin : begin + BATCH])
    json.dump([str(device.device_id) for device in devices], sys.stdout)


if __name__ == "__main__":
    main()
