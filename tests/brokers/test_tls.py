"""A broker with TLS: a valid certificate is accepted, and an invalid one is refused."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.cache.backends.redis import RedisCache
from kombu import Connection
from kombu.exceptions import OperationalError

from bench.faults.installation import installation_start
from bench.tools.certificate import certificate_make
from pushhub.embedded.cluster import EmbeddedCluster
from pushhub.embedded.ports import LOOPBACK
from pushhub.workers.brokers import broker_for
from tests.brokers.tls import OTHER_ADDRESS, tls_proxy
from tests.faults.rounds import DEVICES, assert_nothing_was_repeated, round_on

pytestmark = pytest.mark.broker


Certificate = tuple[Path, Path]  # the authority's file; the file with the key and the certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["rediss", "amqps"])
def url(request: pytest.FixtureRequest, cluster: EmbeddedCluster, certificate: Certificate) -> Iterator[str]:
    server = cluster.valkey if request.param == "rediss" else request.getfixturevalue("rabbitmq")
    _, credentials, address = server.url().replace("@", "://").split("://")
    with tls_proxy(certificate[1], server.port) as port:
        yield f"{request.param}://{credentials}@{address.replace(str(server.port), str(port))}"


@pytest.mark.parametrize(("address", "trusted"), [(LOOPBACK, True), (OTHER_ADDRESS, False)])
def test_the_cache_checks_the_certificate(
    cluster: EmbeddedCluster, certificate: Certificate, address: str, trusted: bool
) -> None:
    ca, chain = certificate
    with tls_proxy(chain, cluster.valkey.port) as port:
        url = f"rediss://:{cluster.valkey.password}@{address}:{port}/1?ssl_ca_certs={ca}"
        with nullcontext() if trusted else pytest.raises(redis.ConnectionError, match="not valid for"):
            assert RedisCache(url, {}).get("nothing") is None


def exchange(url: str, ca_file: Path | None) -> Any:
    """Sends a message through a queue. Returns the received payload."""
    broker = broker_for(url, sqs_prefix="", sqs_queues=[], ca_file=str(ca_file) if ca_file else None)
    options = broker.transport_options | {"max_retries": 0}
    with Connection(url, ssl=broker.tls, transport_options=options) as connection:
        queue = connection.SimpleBuffer(f"tls-{uuid.uuid4()}")
        queue.put("wake up")
        return queue.get(timeout=5).payload


def test_a_certificate_of_the_given_authority_is_accepted(url: str, certificate: Certificate) -> None:
    assert exchange(url, certificate[0]) == "wake up"


def test_a_certificate_of_an_unknown_authority_is_refused(url: str) -> None:
    with pytest.raises(OperationalError, match="self-signed certificate"):
        exchange(url, None)


def test_a_certificate_for_another_host_is_refused(url: str, certificate: Certificate) -> None:
    with pytest.raises(OperationalError, match=r"not valid for .127\.0\.0\.2"):
        exchange(url.replace(LOOPBACK, OTHER_ADDRESS), certificate[0])


def test_a_broadcast_is_sent_with_tls(url: str, certificate: Certificate, tmp_path: Path) -> None:
    settings = {"CELERY_BROKER_URL": url, "BROKER_CA_FILE": str(certificate[0])}
    with installation_start(DEVICES, settings=settings) as installation, round_on(installation, tmp_path) as started:
        started.dispatcher_start()
        started.begin()
        assert_nothing_was_repeated(started.finish())
