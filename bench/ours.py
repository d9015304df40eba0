"""pushhub's senders alone, run like a peer: `python -m bench.ours webpush|sns` reads a workload and prints its cost."""

import json
import os
import sys
import time
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from bench.peers.workload import WARM_UP, cpu_seconds
from outgoing.http import Client
from outgoing.network import NetworkPolicy
from providers.base import Provider
from providers.registry import provider_get
from providers.sns.types import SnsCredentials, SnsEndpoint
from providers.types import Message, Outcome, Push
from providers.webpush.base64url import b64url_decode
from providers.webpush.types import WebPushCredentials, WebPushEndpoint
from providers.webpush.vapid import vapid_key_import

IN_FLIGHT = 512
SEND_BATCH = 64  # requests between two polls, as in the dispatcher
POLICY = NetworkPolicy(allowed_private_networks=(ip_network("127.0.0.1/32"),))


def pushes_webpush(workload: dict[str, Any]) -> list[Push]:
    key = vapid_key_import(workload["vapid_pem"])
    credentials = WebPushCredentials(
        key_id="1", private_key=key.private_key, public_key=key.public_key, sub=workload["sub"]
    )
    return [
        _push(
            WebPushEndpoint(
                url=made["endpoint"],
                p256dh=b64url_decode(made["keys"]["p256dh"]),
                auth=b64url_decode(made["keys"]["auth"]),
            ),
            credentials,
            workload,
        )
        for made in workload["subscriptions"]
    ]


def pushes_sns(workload: dict[str, Any]) -> list[Push]:
    os.environ["AWS_ENDPOINT_URL_SNS"] = workload["url"] + "/sns/"
    credentials = SnsCredentials(cache_key=("bench", 1), region="us-east-1", access_key="AKIDBENCH", secret="bench")
    return [_push(SnsEndpoint(endpoint_arn=workload["endpoint_arn"], platform="GCM"), credentials, workload)]


def send(client: Client, provider: Provider, pushes: list[Push], count: int) -> None:
    """Keep the window full until `count` responses have come. Every response must be an acceptance."""
    sent = settled = 0
    while settled < count:
        until = sent + min(SEND_BATCH, client.capacity, count - sent)
        batch = [pushes[number % len(pushes)] for number in range(sent, until)]
        sent = until
        provider.prepare(batch)
        for push in batch:
            client.submit(provider.request(push), push)
        for tag, response in client.poll(0.0 if client.capacity and sent < count else 1.0):
            assert isinstance(tag, Push)
            result = provider.result(tag, response)
            if result.outcome is not Outcome.ACCEPTED:
                raise SystemExit(f"not accepted: {result}")
            settled += 1


def _push(endpoint: Any, credentials: Any, workload: dict[str, Any]) -> Push:
    message = Message(notification_id="0" * 36, title="Benchmark", body=workload["payload"])
    return Push(
        message=message, mapping_id="0" * 36, delivery_id="0" * 36, ttl=60, endpoint=endpoint, credentials=credentials
    )


def main() -> None:
    make: Callable[[dict[str, Any]], list[Push]] = {"webpush": pushes_webpush, "sns": pushes_sns}[sys.argv[1]]
    workload = json.load(sys.stdin)
    pushes, provider = make(workload), provider_get(sys.argv[1])
    client = Client(POLICY, max_in_flight=IN_FLIGHT, ca_file=workload["ca"])
    send(client, provider, pushes, workload["count"] // WARM_UP)
    cpu, wall = cpu_seconds(), time.perf_counter()
    send(client, provider, pushes, workload["count"])
    json.dump(
        {"messages": workload["count"], "seconds": time.perf_counter() - wall, "cpu_seconds": cpu_seconds() - cpu},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
