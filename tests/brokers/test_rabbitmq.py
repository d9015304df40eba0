"""The engine with a real RabbitMQ as its broker, which is killed and stopped while it works."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed
from kombu import Connection, Queue

from bench.faults.installation import installation_start
from bench.faults.round import Round
from pushhub.embedded import stage
from pushhub.workers.brokers import QUEUE_LENGTH, QUEUES, broker_for
from sandbox.testing import SandboxClient
from tests.brokers.rabbitmq import RabbitMQ
from tests.faults.rounds import DEVICES, assert_nothing_was_repeated, round_on

pytestmark = pytest.mark.broker


@pytest.fixture
def round_(rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[Round]:
    settings = {"CELERY_BROKER_URL": rabbitmq.url()}
    with installation_start(DEVICES, settings=settings) as installation, round_on(installation, tmp_path) as started:
        yield started


def test_no_delivery_is_lost_when_rabbitmq_is_killed(round_: Round, rabbitmq: RabbitMQ) -> None:
    round_.dispatcher_start()
    round_.begin()
    round_.wait_until_started()
    rabbitmq.kill()
    round_.pause(2)  # longer than a dispatch task, so that the next one needs a wake-up
    rabbitmq.start()
    assert_nothing_was_repeated(round_.finish())


def test_a_cluster_works_without_the_first_node(rabbitmq_cluster: list[RabbitMQ], tmp_path: Path) -> None:
    first, *others = rabbitmq_cluster
    settings = {"CELERY_BROKER_URL": ";".join(node.url() for node in rabbitmq_cluster)}
    with installation_start(DEVICES, settings=settings) as installation, round_on(installation, tmp_path) as started:
        started.dispatcher_start()
        started.begin()
        started.wait_until_started()
        first.kill()
        assert_nothing_was_repeated(started.finish())
    assert all(node.running for node in others)


@pytest.mark.parametrize("name", QUEUES)
def test_queues_are_quorum_queues(rabbitmq: RabbitMQ, name: str) -> None:
    declared = broker_for(rabbitmq.url(), sqs_prefix="", sqs_queues=[]).queues or []
    with Connection(rabbitmq.url()) as connection, connection.channel() as channel:
        for queue in declared:
            queue(channel).declare()
        classic = Queue(name, queue_arguments={"x-queue-type": "classic", "x-max-length": QUEUE_LENGTH})(channel)
        with pytest.raises(PreconditionFailed, match=r"x-queue-type.*quorum"):
            classic.queue_declare()


class Backend:
    """A tenant's backend, with a registered device."""

    def __init__(self, service: stage.Stage) -> None:
        self.service = service
        self.sandbox = SandboxClient(service.sandbox_url)
        key = self._call("GET", "/v1/webpush/config")["application_server_key"]
        (subscription,) = self.sandbox.mint_web(application_server_key=key)
        device = {"platform": "web", "user_id": "carol", "subscription": subscription}
        self._call("PUT", f"/v1/devices/{uuid.uuid4()}", device)

    def send(self) -> float:
        """Sends a notification. Returns the seconds until it was accepted."""
        start = time.monotonic()
        self._call("POST", "/v1/notifications", {"to": {"users": ["carol"]}, "content": {"title": "Hello"}})
        return time.monotonic() - start

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.service.server_key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.service.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


@pytest.fixture(scope="module")
def backend(rabbitmq: RabbitMQ) -> Iterator[Backend]:
    with stage.stage(CELERY_BROKER_URL=rabbitmq.url()) as service:
        yield Backend(service)


def test_a_hanging_rabbitmq_does_not_delay_a_post(backend: Backend, rabbitmq: RabbitMQ) -> None:
    usual = min(backend.send() for _ in range(5))
    assert rabbitmq.process
    os.killpg(rabbitmq.process.pid, signal.SIGSTOP)
    try:
        assert min(backend.send() for _ in range(5)) < usual + 1  # a publish hangs for five seconds
    finally:
        os.killpg(rabbitmq.process.pid, signal.SIGCONT)
    backend.sandbox.wait_for_messages(10, timeout=90)


def test_a_notification_from_an_outage_of_rabbitmq_is_sent_after_it(backend: Backend, rabbitmq: RabbitMQ) -> None:
    before = len(backend.sandbox.messages())
    rabbitmq.kill()
    backend.send()
    time.sleep(1)
    rabbitmq.start()
    backend.sandbox.wait_for_messages(before + 1, timeout=90)
    backend.send()
    backend.sandbox.wait_for_messages(before + 2, timeout=90)
