"""The tenant's backend while the service is besieged: one small notification after another, from a thread."""

import threading
from collections.abc import Sequence

from bench.faults.scene import Refused, Scene

TITLE = {"title": "One of many", "body": "to a single device"}


class Trickle:
    """POSTs to a device each, in turn. `accepted` are those answered 202; the others may have been stored or not."""

    def __init__(self, scene: Scene, devices: Sequence[str], *, every: float) -> None:
        self.accepted: dict[str, str] = {}
        self.refused = 0
        self._scene = scene
        self._devices = devices
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trickle", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when nothing is under way any more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.wait(self._every):
            device = self._devices[number % len(self._devices)]
            number += 1
            try:
                made = self._scene.call("/v1/notifications", {"to": {"devices": [device]}, "content": TITLE})
            except Refused:
                self.refused += 1
            else:
                self.accepted[made["id"]] = device
