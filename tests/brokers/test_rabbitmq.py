"""The whole engine with a real RabbitMQ as its broker, killed and frozen in the middle of its work."""

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
from pushhub.embedded import stage as whole
from pushhub.workers.brokers import QUEUE_LENGTH, QUEUES, broker_for
from sandbox.testing import SandboxClient
from tests.brokers.rabbitmq import RabbitMQ
from tests.faults.rounds import DEVICES, assert_nothing_was_repeated, round_on

pytestmark = pytest.mark.broker


@pytest.fixture
def round_(rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[Round]:
    settings = {"CELERY_BROKER_URL": rabbitmq.url()}
    with installation_start(DEVICES, settings=settings) as installation, round_on(installation, tmp_path) as made:
        yield made


def test_a_killed_rabbitmq_delays_and_loses_nothing(round_: Round, rabbitmq: RabbitMQ) -> None:
    round_.dispatcher_start()
    round_.begin()
    round_.wait_until_started()
    rabbitmq.kill()
    round_.pause(2)  # longer than a turn of the dispatcher: the next one needs a wake-up
    rabbitmq.start()
    assert_nothing_was_repeated(round_.finish())


def test_a_cluster_goes_on_without_the_node_that_all_spoke_to(rabbitmq_cluster: list[RabbitMQ], tmp_path: Path) -> None:
    first, *others = rabbitmq_cluster
    settings = {"CELERY_BROKER_URL": ";".join(node.url() for node in rabbitmq_cluster)}
    with installation_start(DEVICES, settings=settings) as installation, round_on(installation, tmp_path) as made:
        made.dispatcher_start()
        made.begin()
        made.wait_until_started()
        first.kill()
        assert_nothing_was_repeated(made.finish())
    assert all(node.running for node in others)


@pytest.mark.parametrize("name", QUEUES)
def test_queues_are_of_the_quorum_kind(rabbitmq: RabbitMQ, name: str) -> None:
    declared = broker_for(rabbitmq.url(), sqs_prefix="", sqs_queues=[]).queues or []
    with Connection(rabbitmq.url()) as connection, connection.channel() as channel:
        for queue in declared:
            queue(channel).declare()
        classic = Queue(name, queue_arguments={"x-queue-type": "classic", "x-max-length": QUEUE_LENGTH})(channel)
        with pytest.raises(PreconditionFailed, match=r"x-queue-type.*quorum"):
            classic.queue_declare()


class Backend:
    """A tenant's backend, and one device to send to."""

    def __init__(self, service: whole.Stage) -> None:
        self.service = service
        self.sandbox = SandboxClient(service.sandbox_url)
        key = self._call("GET", "/v1/webpush/config")["application_server_key"]
        (subscription,) = self.sandbox.mint_web(application_server_key=key)
        device = {"platform": "web", "user_id": "carol", "subscription": subscription}
        self._call("PUT", f"/v1/devices/{uuid.uuid4()}", device)

    def send(self) -> float:
        """Seconds until it was accepted."""
        began = time.monotonic()
        self._call("POST", "/v1/notifications", {"to": {"users": ["carol"]}, "content": {"title": "Hello"}})
        return time.monotonic() - began

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.service.server_key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.service.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def backend(rabbitmq: RabbitMQ) -> Iterator[Backend]:
    with whole.stage(CELERY_BROKER_URL=rabbitmq.url()) as service:
        yield Backend(service)


def test_a_hanging_rabbitmq_slows_no_post(backend: Backend, rabbitmq: RabbitMQ) -> None:
    usual = min(backend.send() for _ in range(5))
    assert rabbitmq.process
    os.killpg(rabbitmq.process.pid, signal.SIGSTOP)
    try:
        assert min(backend.send() for _ in range(5)) < usual + 1  # a publish hangs for five seconds
    finally:
        os.killpg(rabbitmq.process.pid, signal.SIGCONT)
    backend.sandbox.wait_for_messages(10, timeout=90)


def test_what_was_posted_without_rabbitmq_goes_out_with_it(backend: Backend, rabbitmq: RabbitMQ) -> None:
    before = len(backend.sandbox.messages())
    rabbitmq.kill()
    backend.send()
    time.sleep(1)
    rabbitmq.start()
    backend.sandbox.wait_for_messages(before + 1, timeout=90)
    backend.send()
    backend.sandbox.wait_for_messages(before + 2, timeout=90)
