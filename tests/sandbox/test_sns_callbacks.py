"""Callbacks of SNS over HTTP: first the confirmation, then signed delivery failures."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from typing_extensions import override

from sandbox.testing import SandboxProcess, SandboxRefused, SnsApplication
from tests.sandbox.aws import refusal
from tests.sandbox.sender import apns

NOTIFICATION = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


class Receiver(HTTPServer):
    """Records the POSTs. Answers the statuses in `statuses` first, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/callbacks/sns/1"

    def wait(self, count: int) -> list[tuple[dict[str, str], dict[str, Any]]]:
        deadline = time.monotonic() + 5
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.got) == count
        return self.got


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), json.loads(body)))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @override
    def log_message(self, *_: Any) -> None:
        """No log."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def topic(sandbox: SandboxProcess, application: SnsApplication) -> str:
    arn: str = sandbox.post("sns/topics", application_arn=application.arn, region=application.region)["arn"]
    return arn


@pytest.fixture
def confirmed(sandbox: SandboxProcess, receiver: Receiver, topic: str) -> Receiver:
    sandbox.post("sns/subscriptions", topic_arn=topic, url=receiver.url)
    requests.get(receiver.wait(1)[0][1]["SubscribeURL"], timeout=5).raise_for_status()
    receiver.got.clear()
    return receiver


def verify(sandbox: SandboxProcess, message: dict[str, Any], names: tuple[str, ...]) -> None:
    """Fetch the certificate and rebuild the string to sign, as a receiver does. Raises InvalidSignature."""
    assert message["SigningCertURL"].startswith(f"{sandbox.url}/SimpleNotificationService-")
    key = x509.load_pem_x509_certificate(requests.get(message["SigningCertURL"], timeout=5).content).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    text = "".join(f"{name}\n{message[name]}\n" for name in names)
    digest = {"1": hashes.SHA1, "2": hashes.SHA256}[message["SignatureVersion"]]()
    key.verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), digest)


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_subscription_is_confirmed_first(sandbox: SandboxProcess, receiver: Receiver, version: str) -> None:
    topic = sandbox.post("sns/topics", signature_version=version)["arn"]
    sandbox.post("sns/subscriptions", topic_arn=topic, url=receiver.url)
    headers, message = receiver.wait(1)[0]
    assert headers["x-amz-sns-message-type"] == message["Type"] == "SubscriptionConfirmation"
    assert headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert message["SignatureVersion"] == version
    verify(sandbox, message, CONFIRMATION)


def test_the_certificate_is_issued_by_the_sandboxs_authority(sandbox: SandboxProcess) -> None:
    path = sandbox.post("sns/topics")["signing_cert_path"]
    leaf = x509.load_pem_x509_certificate(requests.get(sandbox.url + path, timeout=5).content)
    authority = requests.get(f"{sandbox.url}/sandbox/ca.pem", timeout=5).content
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))


def test_a_subscription_can_be_confirmed_through_the_api(
    sandbox: SandboxProcess, receiver: Receiver, topic: str, sns: Any
) -> None:
    sandbox.post("sns/subscriptions", topic_arn=topic, url=receiver.url)
    token = receiver.wait(1)[0][1]["Token"]
    assert sns.confirm_subscription(TopicArn=topic, Token=token)["SubscriptionArn"].startswith(topic)


def test_nothing_is_sent_before_confirmation(
    sandbox: SandboxProcess, receiver: Receiver, topic: str, endpoint: str
) -> None:
    sandbox.post("sns/subscriptions", topic_arn=topic, url=receiver.url)
    assert sandbox.post("sns/events", endpoint_arn=endpoint)["sent"] == []


def test_an_invalid_token_is_accepted_then_disabled_and_reported(
    sandbox: SandboxProcess, sns: Any, endpoint: str, confirmed: Receiver
) -> None:
    sandbox.behave(endpoint, "invalid")
    published = sns.publish(TargetArn=endpoint, Message=apns(), MessageStructure="json")["MessageId"]
    _, message = confirmed.wait(1)[0]
    event = json.loads(message["Message"])
    verify(sandbox, message, NOTIFICATION)
    assert (event["EventType"], event["FailureType"]) == ("DeliveryFailure", "InvalidPlatformToken")
    assert (event["EndpointArn"], event["MessageId"]) == (endpoint, published)
    assert refusal(sns.publish, TargetArn=endpoint, Message="x")[1] == "EndpointDisabled"
    assert [caught["delivered"] for caught in sandbox.messages()] == [False]


def test_an_event_can_be_repeated(sandbox: SandboxProcess, endpoint: str, confirmed: Receiver) -> None:
    sandbox.post("sns/events", endpoint_arn=endpoint, copies=2)
    assert len({message["MessageId"] for _, message in confirmed.wait(2)}) == 1


@pytest.mark.parametrize(("status", "attempts"), [(500, 2), (429, 2), (400, 1)])
def test_5xx_and_429_are_retried(
    sandbox: SandboxProcess, endpoint: str, confirmed: Receiver, status: int, attempts: int
) -> None:
    sandbox.post("sns/settings", callback_retry_seconds=0.05)
    confirmed.statuses = [status]
    sandbox.post("sns/events", endpoint_arn=endpoint)
    confirmed.wait(attempts)
    time.sleep(0.2)
    assert len(confirmed.got) == attempts


def test_only_this_machine_is_called(sandbox: SandboxProcess, topic: str) -> None:
    with pytest.raises(SandboxRefused, match="this machine"):
        sandbox.post("sns/subscriptions", topic_arn=topic, url="https://example.com/callbacks")
