"""The tenant's backend during a round: a thread that posts one small notification after another."""

import threading
from collections.abc import Sequence

from bench.faults.installation import Installation, RequestFailed

CONTENT = {"title": "One of many", "body": "to a single device"}


class SingleSends:
    """Posts to one device after another. `accepted` maps the notifications answered 202 to their device.

    The other notifications may or may not be stored.
    """

    def __init__(self, installation: Installation, devices: Sequence[str], *, every: float) -> None:
        self.accepted: dict[str, str] = {}
        self.refused = 0
        self._installation = installation
        self._devices = devices
        self._every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="single-sends", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when no request is under way any more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopping.wait(self._every):
            device = self._devices[number % len(self._devices)]
            number += 1
            try:
                made = self._installation.call("/v1/notifications", {"to": {"devices": [device]}, "content": CONTENT})
            except RequestFailed:
                self.refused += 1
            else:
                self.accepted[made["id"]] = device
