from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import boto3
import pytest

from pushhub.embedded.account import home_for, home_remove
from pushhub.embedded.ports import LOOPBACK, port_free, port_pick
from pushhub.embedded.process import wait_until
from tests.brokers.rabbitmq import PROGRAM, RabbitMQ

AWS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": ""}
REGION = "eu-west-1"


@pytest.fixture(scope="package")
def rabbitmq() -> Iterator[RabbitMQ]:
    with ExitStack() as stack:
        yield node_start(stack)


@pytest.fixture
def rabbitmq_cluster() -> Iterator[list[RabbitMQ]]:
    with ExitStack() as stack:
        first = node_start(stack)
        yield [first, node_start(stack, join=first), node_start(stack, join=first)]


def node_start(stack: ExitStack, *, join: RabbitMQ | None = None) -> RabbitMQ:
    """Starts a node, which joins the cluster of the node `join` if it is given."""
    assert PROGRAM.exists(), "RabbitMQ is not installed. `make test-brokers` prints how to install it."
    folder = Path(mkdtemp(prefix="pushhub-rabbitmq-", dir="/tmp"))
    stack.callback(home_remove, folder)
    folder.chmod(0o711)  # as root: the unprivileged user of the server must enter it
    server = RabbitMQ(home_for(folder), folder / "rabbitmq.log", join=join)
    stack.callback(server.stop)
    server.start()
    return server


@pytest.fixture(scope="package")
def sqs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """moto's SQS over HTTP, with the protocol of boto3 and of kombu's client. Unlike AWS it checks no permissions."""
    port = port_pick()
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        argv = [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)]
        server = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        assert wait_until(lambda: not port_free(port), seconds=60)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def sqs_queues(sqs_url: str) -> Callable[[], set[str]]:
    """Returns the names of the queues."""
    client = boto3.client(
        "sqs",
        endpoint_url=sqs_url,
        region_name=REGION,
        aws_access_key_id=AWS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=AWS["AWS_SECRET_ACCESS_KEY"],
    )
    return lambda: {url.rpartition("/")[2] for url in client.list_queues()["QueueUrls"]}
