"""pywebpush in a loop over one requests Session: what most Django projects do."""

from typing import Any

import requests
from job import job_run
from py_vapid import Vapid
from pywebpush import webpush


def send(job: dict[str, Any]) -> None:
    vapid = Vapid.from_pem(job["vapid_pem"].encode())
    with requests.Session() as session:
        session.verify = job["ca"]
        for number in range(job["count"]):
            subscription = job["subscriptions"][number % len(job["subscriptions"])]
            webpush(subscription, job["payload"], vapid, {"sub": job["sub"]}, ttl=60, requests_session=session)


job_run(send)
