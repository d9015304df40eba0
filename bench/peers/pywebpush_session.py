"""pywebpush in a loop over one requests Session: as most Django projects use it."""

from collections.abc import Callable
from typing import Any

import requests
from py_vapid import Vapid
from pywebpush import webpush
from workload import workload_run


def prepare(workload: dict[str, Any]) -> Callable[[int], None]:
    vapid = Vapid.from_pem(workload["vapid_pem"].encode())
    session = requests.Session()
    session.verify = workload["ca"]

    def send(count: int) -> None:
        for number in range(count):
            subscription = workload["subscriptions"][number % len(workload["subscriptions"])]
            webpush(
                subscription, workload["payload"], vapid, {"sub": workload["sub"]}, ttl=60, requests_session=session
            )

    return send


workload_run(prepare)
