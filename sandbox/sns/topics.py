"""SNS topics with HTTP subscriptions: confirmation, signed notifications, retries.

The signature is AWS's (the string to sign has names and values in byte order; SHA-1 for version 1, SHA-256 for 2). The
sandbox serves the certificate of the key. Only loopback addresses are called.
"""

import asyncio
import base64
import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from sandbox.journal import Journal
from sandbox.sns.certificate import SigningCertificate
from sandbox.sns.wire import AwsError

ATTEMPTS = 4
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


@dataclass(slots=True)
class Topic:
    arn: str
    signature_version: str


@dataclass(slots=True)
class Subscription:
    topic: Topic
    url: str
    token: str = field(repr=False)
    arn: str
    confirmed: bool = False


class Topics:
    """`retry_seconds` replaces AWS's 20 s between attempts."""

    def __init__(self, *, origin: str, journal: Journal) -> None:
        self.retry_seconds = 0.5
        self.certificate = SigningCertificate()
        self._origin = origin
        self._journal = journal
        self._topics: dict[str, Topic] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def create(self, arn: str, signature_version: str) -> Topic:
        if signature_version not in ("1", "2"):
            raise ValueError("signature_version is 1 or 2")
        return self._topics.setdefault(arn, Topic(arn, signature_version))

    def subscribe(self, topic_arn: str, url: str) -> Subscription:
        """Send a confirmation request to the URL. Raises ValueError for an unknown topic or an address off loopback."""
        host = urlsplit(url).hostname or ""
        if topic_arn not in self._topics or not (host in ("localhost", "::1") or host.startswith("127.")):
            raise ValueError("topic_arn must exist and url must point at this machine")
        topic = self._topics[topic_arn]
        subscription = Subscription(topic, url, secrets.token_hex(64), f"{topic_arn}:{uuid.uuid4()}")
        self._subscriptions[subscription.token] = subscription
        self._send(subscription, self._confirmation(subscription))
        return subscription

    def confirm(self, topic_arn: str, token: str) -> str:
        """The ARN of the confirmed subscription. Raises AwsError."""
        subscription = self._subscriptions.get(token)
        if subscription is None or subscription.topic.arn != topic_arn:
            raise AwsError("InvalidParameter", "Invalid parameter: Token", violation=True)
        subscription.confirmed = True
        return subscription.arn

    def confirmed(self, topic_arn: str) -> list[str]:
        return [s.url for s in self._subscriptions.values() if s.topic.arn == topic_arn and s.confirmed]

    def notify(self, topic_arn: str, message: str, *, copies: int = 1) -> list[str]:
        """Send to every confirmed subscription. Returns message ids. `copies` repeats them (at least once delivery)."""
        sent = []
        for subscription in self._subscriptions.values():
            if subscription.topic.arn == topic_arn and subscription.confirmed:
                envelope = self._notification(subscription.topic, message)
                sent.append(envelope["MessageId"])
                for _ in range(copies):
                    self._send(subscription, envelope)
        return sent

    def clear(self) -> None:
        self._topics.clear()
        self._subscriptions.clear()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _confirmation(self, subscription: Subscription) -> dict[str, str]:
        topic = subscription.topic
        query = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic.arn, "Token": subscription.token})
        text = f"You have chosen to subscribe to the topic {topic.arn}.\nTo confirm, visit the SubscribeURL."
        special = {"Token": subscription.token, "SubscribeURL": f"{self._origin}/sns/?{query}"}
        return self._signed(topic, {"Type": "SubscriptionConfirmation", "Message": text, **special})

    def _notification(self, topic: Topic, message: str) -> dict[str, str]:
        return self._signed(topic, {"Type": "Notification", "Message": message})

    def _signed(self, topic: Topic, fields: Mapping[str, str]) -> dict[str, str]:
        now = datetime.now(UTC)
        envelope = {
            **fields,
            "MessageId": str(uuid.uuid4()),
            "TopicArn": topic.arn,
            "Timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
            "SignatureVersion": topic.signature_version,
        }
        names = _SIGNED[fields["Type"]]
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
        # Version 1 uses SHA-1, as on AWS; receivers must be able to check it.
        digest = hashes.SHA1() if topic.signature_version == "1" else hashes.SHA256()  # noqa: S303
        signature = self.certificate.private_key.sign(text.encode(), padding.PKCS1v15(), digest)
        envelope["Signature"] = base64.b64encode(signature).decode()
        envelope["SigningCertURL"] = f"{self._origin}{self.certificate.path}"
        return envelope

    def _send(self, subscription: Subscription, envelope: dict[str, str]) -> None:
        task = asyncio.create_task(self._deliver(subscription, envelope))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, subscription: Subscription, envelope: dict[str, str]) -> None:
        """5xx, 429 and network errors are retried; any other refusal is permanent, as AWS documents."""
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": envelope["Type"],
            "x-amz-sns-message-id": envelope["MessageId"],
            "x-amz-sns-topic-arn": subscription.topic.arn,
        }
        if envelope["Type"] == "Notification":
            headers["x-amz-sns-subscription-arn"] = subscription.arn
        body = json.dumps(envelope, indent=2)
        for attempt in range(ATTEMPTS):
            status = await self._post(subscription.url, body, headers)
            self._journal.counters[f"sns.callbacks.{status or 'failed'}"] += 1
            if status is not None and status < 500 and status != 429:
                return
            if attempt + 1 < ATTEMPTS:
                await asyncio.sleep(self.retry_seconds)

    async def _post(self, url: str, body: str, headers: Mapping[str, str]) -> int | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15))
        try:
            async with self._session.post(url, data=body.encode(), headers=headers, allow_redirects=False) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None


def delivery_failure(endpoint_arn: str, message_id: str, failure_type: str, failure_message: str) -> dict[str, Any]:
    """The `Message` of an EventDeliveryFailure, with the fields captured from AWS."""
    now = datetime.now(UTC)
    return {
        "DeliveryAttempts": 1,
        "EndpointArn": endpoint_arn,
        "EventType": "DeliveryFailure",
        "FailureMessage": failure_message,
        "FailureType": failure_type,
        "MessageId": message_id,
        "Resource": endpoint_arn.replace(":endpoint/", ":app/", 1).rpartition("/")[0],
        "Service": "SNS",
        "Time": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
    }
