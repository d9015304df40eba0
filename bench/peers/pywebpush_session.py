"""pywebpush in a loop over one requests Session: what most Django projects do."""

from collections.abc import Callable
from typing import Any

import requests
from job import job_run
from py_vapid import Vapid
from pywebpush import webpush


def prepare(job: dict[str, Any]) -> Callable[[int], None]:
    vapid = Vapid.from_pem(job["vapid_pem"].encode())
    session = requests.Session()
    session.verify = job["ca"]

    def send(count: int) -> None:
        for number in range(count):
            subscription = job["subscriptions"][number % len(job["subscriptions"])]
            webpush(subscription, job["payload"], vapid, {"sub": job["sub"]}, ttl=60, requests_session=session)

    return send


job_run(prepare)
